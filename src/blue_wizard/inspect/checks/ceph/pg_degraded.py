"""Placement groups with too few copies."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephStatus
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["pg_degraded"]


@check(
    "ceph.pg-degraded",
    N_("Data has too few copies"),
    severity=Severity.WARNING,
    remedy=N_(
        "Let it recover; when nothing moves: is an OSD down, a flag set (noout, norecover), a rule without enough hosts?"
    ),
    under=("ceph.osd-down", "ceph.pg-inactive"),
)
def pg_degraded(status: CephStatus) -> Iterable[Finding]:
    """degraded or undersized. Misplaced ones are only on their way."""
    bad = {s: n for s, n in status.states.items() if {"degraded", "undersized"} & set(s.split("+"))}
    if bad:
        total = sum(status.states.values())
        yield found(
            "pgs",
            N_("{count} of {total} placement groups have too few copies."),
            evidence=[f"{s}: {n}" for s, n in bad.items()],
            count=sum(bad.values()),
            total=total,
        )
