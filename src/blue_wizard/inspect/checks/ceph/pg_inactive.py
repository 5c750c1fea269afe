"""Placement groups that can't be used."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephStatus
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["pg_inactive"]

_PASSING = ("creating", "activating", "peering")


@check(
    "ceph.pg-inactive",
    N_("Data can't be reached"),
    severity=Severity.CRITICAL,
    remedy=N_(
        "See which OSDs they wait for: ceph pg dump_stuck inactive; ceph pg ID query. Start those OSDs; never"
        " mark them lost in a hurry."
    ),
    reread=True,
)
def pg_inactive(status: CephStatus) -> Iterable[Finding]:
    """Placement groups that are not active, twice: every read and write in them hangs."""
    bad = {s: n for s, n in status.states.items() if "active" not in s.split("+")}
    if bad:
        yield found(
            "pgs",
            N_("{count} placement groups are not active: {states}"),
            evidence=[f"{s}: {n}" for s, n in bad.items()],
            severity=Severity.WARNING if all(s in _PASSING for s in bad) else None,
            count=sum(bad.values()),
            states=", ".join(sorted(bad)),
        )
