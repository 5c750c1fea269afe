"""Clusters with too few monitors, or an even number of them."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephStatus
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["mon_count"]


@check(
    "ceph.mon-count",
    N_("Ceph has too few monitors"),
    severity=Severity.INFO,
    remedy=N_("Run three monitors (five in a big cluster), on hosts that do not fail together."),
    profile=Profile.DAILY,
)
def mon_count(status: CephStatus) -> Iterable[Finding]:
    """Fewer than three: the loss of one stops all storage. An even number survives no more losses than one less."""
    if status.mons < 3 or status.mons % 2 == 0:
        yield found(
            "mons",
            N_("Ceph has {count} monitors."),
            evidence=[f"ceph status: {status.mons} monitors"],
            count=status.mons,
        )
