"""Hosts that wait for a reboot."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import System
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["reboot_wanted"]


@check(
    "host.reboot-wanted",
    N_("Host waits for a reboot"),
    severity=Severity.INFO,
    remedy=N_(
        "Empty it and reboot it at the next maintenance: updates of the kernel or of libraries are not in force."
    ),
    profile=Profile.WEEKLY,
)
def reboot_wanted(system: System) -> Iterable[Finding]:
    """/run/reboot-required is there."""
    if system.reboot_wanted:
        yield found("reboot", N_("Updates wait for a reboot."), evidence=["/run/reboot-required"])
