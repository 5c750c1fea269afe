"""RBD images of Glance images that are gone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import RbdImages
from blue_wizard.facts.volume import Images
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["rbd_image_of_nothing"]

_NAME = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")


@check(
    "cross.rbd-image-of-nothing",
    N_("RBD image belongs to no image of Glance's"),
    severity=Severity.WARNING,
    remedy=N_(
        "Make sure that Glance does not know it, and that it has no clones (rbd children "
        "{pool}/{image}@snap); then rbd trash mv."
    ),
    profile=Profile.DAILY,
    reread=True,
)
def rbd_image_of_nothing(images: RbdImages, glance: Images) -> Iterable[Finding]:
    """A name that is an id, in the pool where Glance's images lie, and Glance has no such image."""
    pool = images.pool_of(i.id for i in glance.rows)
    if pool is None:
        return
    for image in sorted(images.pools[pool]):
        if _NAME.match(image) and image not in glance.by_id:
            yield found(
                f"{pool}/{image}",
                N_("{pool}/{image} belongs to no image of Glance's."),
                evidence=[f"rbd ls {pool}: {image}", "GET /v2/images: not there"],
                pool=pool,
                image=image,
            )
