"""Software RAIDs that have lost members."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import RaidArrays
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["raid"]


@check(
    "host.raid",
    N_("RAID is degraded"),
    severity=Severity.WARNING,
    remedy=N_("Replace the disk: mdadm --detail /dev/{array} names it; then mdadm --add the new one."),
)
def raid(arrays: RaidArrays) -> Iterable[Finding]:
    """/proc/mdstat: fewer members are active than there should be."""
    for a in arrays.rows:
        if a.active < a.wanted:
            yield found(
                a.name,
                N_("{array} has {active} of {wanted} members."),
                evidence=[f"/proc/mdstat: {a.name} [{a.wanted}/{a.active}]"],
                array=a.name,
                active=a.active,
                wanted=a.wanted,
            )
