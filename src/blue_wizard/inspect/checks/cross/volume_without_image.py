"""Volumes whose data is gone."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephMap, RbdImages
from blue_wizard.facts.volume import VolumePools, Volumes
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["volume_without_image"]


@check(
    "cross.volume-without-image",
    N_("Volume has no image in Ceph"),
    severity=Severity.CRITICAL,
    remedy=N_("Look into the trash first: rbd trash ls {pool}; else restore it from a backup."),
    reread=True,
)
def volume_without_image(
    volumes: Volumes, pools: VolumePools, images: RbdImages, osd_map: CephMap
) -> Iterable[Finding]:
    """Of a backend in this cluster, settled, and its pool has no such image. Volumes in error may never have had one."""
    places = {p.name: p.rbd[1] for p in pools.rows if p.rbd and p.rbd[0] == osd_map.fsid}
    for v in volumes.rows:
        pool = places.get(v.host, "")
        if v.settled and v.status != "error" and pool in images.pools and v.image not in images.pools[pool]:
            yield found(
                v.id,
                N_("Volume {name} has no image {image} in pool {pool}."),
                evidence=[f"GET /volumes/detail: {v.status} on {v.host}", f"rbd ls {pool}: no {v.image}"],
                name=v.label,
                image=v.image,
                pool=pool,
            )
