"""Volumes whose image has another size."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import RbdSizes
from blue_wizard.facts.volume import Volumes
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["volume_size"]

_GIB = 1 << 30


@check(
    "cross.volume-size",
    N_("Volume and image differ in size"),
    severity=Severity.WARNING,
    remedy=N_("An extension ended halfway. Make both equal: rbd resize to what Cinder says, never below."),
    profile=Profile.WEEKLY,
    reread=True,
)
def volume_size(volumes: Volumes, sizes: RbdSizes) -> Iterable[Finding]:
    """Cinder counts whole GiB; an image that was imported may be smaller than the next whole one. An encrypted one has
    its header on top."""
    for v in volumes.rows:
        size = sizes.sizes.get(v.image)
        if size is not None and v.settled and not (v.size - 1) * _GIB < size <= v.size * _GIB + (32 << 20):
            yield found(
                v.id,
                N_("Volume {name} has {size} GiB in Cinder; its image has {real} GiB."),
                evidence=[f"rbd info {v.image}: {size} bytes"],
                name=v.label,
                size=v.size,
                real=f"{size / _GIB:.2f}",
            )
