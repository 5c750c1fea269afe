"""Monitors that are out of the quorum."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephStatus
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["mon_quorum"]


@check(
    "ceph.mon-quorum",
    N_("Ceph monitor is out of the quorum"),
    severity=Severity.WARNING,
    remedy=N_("Look at the monitor's host, its clock and its disk; then start it."),
    under=("host.unreachable",),
)
def mon_quorum(status: CephStatus) -> Iterable[Finding]:
    """Critical where the loss of one more would stop the cluster."""
    lost = status.mons - len(status.quorum)
    if lost > 0:
        grave = (len(status.quorum) - 1) * 2 <= status.mons
        yield found(
            "quorum",
            N_("{lost} of {count} Ceph monitors are out of the quorum."),
            evidence=[f"ceph status: quorum {', '.join(status.quorum)}"],
            severity=Severity.CRITICAL if grave else None,
            lost=lost,
            count=status.mons,
        )
