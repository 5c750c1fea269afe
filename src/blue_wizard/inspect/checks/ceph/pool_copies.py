"""Pools that one more failure destroys."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephMap
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["pool_copies"]


@check(
    "ceph.pool-copies",
    N_("Pool keeps too few copies"),
    severity=Severity.WARNING,
    remedy=N_("Set size 3 and min_size 2 (ceph osd pool set {pool} size 3); it copies for a while."),
    profile=Profile.DAILY,
)
def pool_copies(osd_map: CephMap) -> Iterable[Finding]:
    """One copy is critical. Two, or min_size 1 (writes go on with one copy left), is a warning for pools with data of tenants."""
    for p in osd_map.pools:
        if p.erasure or p.name.startswith((".", "device_health")):
            continue
        if p.size < 3 or p.min_size < 2:
            yield found(
                p.name,
                N_("Pool {pool} has size {size} and min_size {least}."),
                evidence=[f"ceph osd dump: {p.name} size {p.size} min_size {p.min_size}"],
                severity=Severity.CRITICAL if p.size < 2 else None,
                pool=p.name,
                size=p.size,
                least=p.min_size,
            )
