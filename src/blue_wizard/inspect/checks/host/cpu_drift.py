"""Compute hosts whose processors differ."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Hypervisors
from blue_wizard.facts.machine import System
from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["cpu_drift"]


@check(
    "host.cpu-drift",
    N_("Compute hosts have different processors"),
    severity=Severity.INFO,
    remedy=N_(
        "Set cpu_mode = custom and one cpu_models for all of them, or keep unlike hosts in aggregates of their own."
    ),
    profile=Profile.WEEKLY,
)
def cpu_drift(systems: Everywhere[System], hypervisors: Hypervisors) -> Iterable[Finding]:
    """With host-model or host-passthrough a guest can't be live-migrated to a host that lacks one of its flags."""
    hosts = {h.host for h in hypervisors.rows}
    known = {host: s for host, s in systems.at.items() if host in hosts and s.cpu_flags}
    if not known:
        return
    everything = frozenset[str]().union(*(s.cpu_flags for s in known.values()))
    for host, s in sorted(known.items()):
        lacking = sorted(everything - s.cpu_flags)
        if lacking:
            yield found(
                "cpu",
                N_("{where} lacks {count} processor flags that other compute hosts have: {flags}"),
                host=host,
                evidence=[s.cpu, *lacking[:20]],
                where=host,
                count=len(lacking),
                flags=", ".join(lacking[:5]),
            )
