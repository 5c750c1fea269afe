"""Images whose data is gone."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import RbdImages
from blue_wizard.facts.volume import Images
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["glance_image_missing"]


@check(
    "cross.glance-image-missing",
    N_("Image has no data in Ceph"),
    severity=Severity.WARNING,
    remedy=N_("Upload {name} again under a new id: servers can't be made of it, and on local disks not be evacuated."),
    reread=True,
)
def glance_image_missing(glance: Images, images: RbdImages) -> Iterable[Finding]:
    """Active, in a store of RBD (Glance says so by its stores or its URL, or all the others are), and the pool has no
    image of its id."""
    pool = images.pool_of(i.id for i in glance.rows)
    if pool is None:
        return
    for i in glance.rows:
        stores = set(filter(None, i.stores.split(",")))
        elsewhere = (i.url and not i.url.startswith("rbd://")) or (
            stores and not any("rbd" in s or "ceph" in s for s in stores)
        )
        if (
            i.status == "active"
            and i.size
            and not elsewhere
            and not any(i.id in names for names in images.pools.values())
        ):
            yield found(
                i.id,
                N_("Image {name} is active, but pool {pool} has no such image."),
                evidence=[
                    f"GET /v2/images: active, size {i.size}, stores {i.stores or '-'}",
                    f"rbd ls {pool}: not there",
                ],
                name=i.label,
                pool=pool,
            )
