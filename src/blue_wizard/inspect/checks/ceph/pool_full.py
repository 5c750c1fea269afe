"""Pools that are nearly full."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephUse
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_
from blue_wizard.units import bytes_text

__all__ = ["pool_full"]

_WARN, _GRAVE = 0.80, 0.92


@check(
    "ceph.pool-full",
    N_("Ceph pool is nearly full"),
    severity=Severity.WARNING,
    remedy=N_("Raise the pool's quota, rebalance the OSDs below it, or add some."),
    under=("ceph.raw-use", "ceph.osd-nearfull"),
)
def pool_full(use: CephUse) -> Iterable[Finding]:
    """80 % (critical: 92 %) of what it could hold, or of its quota, whichever comes first."""
    for p in use.pools:
        share = max(p.used, p.stored / p.quota if p.quota else 0.0)
        if share >= _WARN:
            yield found(
                p.name,
                N_("Pool {pool} is {percent} full ({stored} stored)."),
                evidence=[
                    f"ceph df detail: {p.name} percent_used {p.used:.3f}, max_avail {p.free}, quota_bytes {p.quota}"
                ],
                severity=Severity.CRITICAL if share >= _GRAVE else None,
                pool=p.name,
                percent=f"{round(share * 100)} %",
                stored=bytes_text(p.stored),
            )
