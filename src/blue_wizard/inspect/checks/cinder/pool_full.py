"""Pools that have little room left."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.volume import VolumePools
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["pool_full"]

_WARN, _GRAVE = 0.20, 0.05


@check(
    "cinder.pool-full",
    N_("Volume pool is nearly full"),
    severity=Severity.WARNING,
    remedy=N_("Add storage to {pool}, or reclaim: unattached volumes, old snapshots, images in the trash."),
    under=("ceph.raw-use", "ceph.osd-nearfull"),
)
def pool_full(pools: VolumePools) -> Iterable[Finding]:
    """Less than 20 % free (critical: 5 %). Pools of one place (`location_info`) are one storage, and told once."""
    told: set[str] = set()
    for p in pools.rows:
        place = p.location or p.name
        if p.free is None or not p.total or p.total <= 0 or place in told:
            continue
        share = p.free / p.total
        if share < _WARN:
            told.add(place)
            yield found(
                p.name,
                N_("Pool {pool} has {free} of {total} GiB left."),
                evidence=[f"GET /scheduler-stats/get_pools: free {p.free}, total {p.total}"],
                severity=Severity.CRITICAL if share < _GRAVE else None,
                pool=p.name,
                free=f"{p.free:.0f}",
                total=f"{p.total:.0f}",
            )
