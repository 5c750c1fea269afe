"""Units of systemd that have failed."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import Units
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["failed_units"]


@check(
    "host.failed-units",
    N_("systemd unit has failed"),
    severity=Severity.WARNING,
    remedy=N_("Read why: journalctl -u {unit} -e. When it does not matter: systemctl reset-failed {unit}"),
)
def failed_units(units: Units) -> Iterable[Finding]:
    """``systemctl list-units --failed``: what should run, or should have run at its time, and did not end well. Backups,
    clocks and the
    rotation of logs are often among them."""
    for unit in units.failed:
        yield found(unit, N_("{unit} has failed."), evidence=["systemctl list-units --failed"], unit=unit)
