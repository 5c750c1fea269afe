"""RBD images of volumes that are gone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephMap, RbdImages
from blue_wizard.facts.volume import VolumePools, Volumes
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["image_without_volume"]

_NAME = re.compile(r"volume-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")


@check(
    "cross.image-without-volume",
    N_("RBD image belongs to no volume"),
    severity=Severity.WARNING,
    remedy=N_(
        "Make sure that Cinder does not know it and nothing has it open (rbd status {pool}/{image}); then rbd"
        " trash mv {pool}/{image}, which can be undone."
    ),
    reread=True,
)
def image_without_volume(
    images: RbdImages, volumes: Volumes, pools: VolumePools, osd_map: CephMap
) -> Iterable[Finding]:
    """volume-ID in a pool of Cinder's, and Cinder has no such volume. While a volume is
    being migrated or retyped nothing is said: the target is a volume that no listing shows. Names that end in .deleted
    wait for their clones,
    and are meant."""
    if any(v.moving for v in volumes.rows):
        return
    known = {v.image for v in volumes.rows} | {f"volume-{v.id}" for v in volumes.rows}
    for pool in sorted({p.rbd[1] for p in pools.rows if p.rbd and p.rbd[0] == osd_map.fsid}):
        for image in sorted(images.pools.get(pool, ())):
            if _NAME.match(image) and image not in known:
                yield found(
                    f"{pool}/{image}",
                    N_("{pool}/{image} belongs to no volume of Cinder's."),
                    evidence=[f"rbd ls {pool}: {image}", "GET /volumes/detail?all_tenants=1: not there"],
                    pool=pool,
                    image=image,
                )
