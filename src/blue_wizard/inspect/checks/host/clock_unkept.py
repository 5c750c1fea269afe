"""Hosts on which nothing keeps the clock."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import Processes
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["clock_unkept"]

_KEEPERS = {
    "chronyd",
    "ntpd",
    "ntpsec",
    "systemd-timesyncd",
    "systemd-timesyn",
    "ptp4l",
    "phc2sys",
    "openntpd",
    "VBoxService",
    "vmtoolsd",
}


@check(
    "host.clock-unkept",
    N_("Nothing keeps the host's clock"),
    severity=Severity.WARNING,
    remedy=N_("Install chrony there, with the same servers as on the other hosts."),
    profile=Profile.DAILY,
)
def clock_unkept(processes: Processes) -> Iterable[Finding]:
    """No chronyd, ntpd, systemd-timesyncd or PTP daemon runs: the clock will drift."""
    if not processes.names & _KEEPERS:
        yield found("clock", N_("No program keeps the clock."), evidence=[f"ps: none of {', '.join(sorted(_KEEPERS))}"])
