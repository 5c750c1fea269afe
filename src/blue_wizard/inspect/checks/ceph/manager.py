"""Managers: none active, or none to take over."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephStatus
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["manager"]


@check(
    "ceph.manager",
    N_("Ceph has no manager, or no second one"),
    severity=Severity.WARNING,
    remedy=N_("Start a ceph-mgr; a second one belongs on another host."),
    under=("host.unreachable",),
)
def manager(status: CephStatus) -> Iterable[Finding]:
    """Without an active one nothing is measured, balanced or orchestrated: critical is that not, but blind. No standby is
    an info."""
    if not status.manager:
        yield found("mgr", N_("No Ceph manager is active."), evidence=["ceph status: mgrmap available false"])
    elif not status.standbys:
        yield found(
            "mgr standby",
            N_("There is no standby for the Ceph manager."),
            evidence=["ceph status: num_standbys 0"],
            severity=Severity.INFO,
        )
