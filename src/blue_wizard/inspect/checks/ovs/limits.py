"""A table of the switch that is nearly full."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.inspect.fetch.switches import SwitchUse
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["limits"]

_WARN = 0.80


@check(
    "ovs.limits",
    N_("Open vSwitch comes near a limit"),
    severity=Severity.WARNING,
    remedy=N_(
        "Addresses: ovs-vsctl set Bridge BRIDGE other_config:mac-table-size=NUMBER. Flows: look for scans "
        "and floods from guests, and at the load of ovs-vswitchd."
    ),
    profile=Profile.DAILY,
)
def limits(use: SwitchUse) -> Iterable[Finding]:
    """Both numbers are of this moment."""
    rows = {f"addresses {bridge}": pair for bridge, pair in use.addresses.items()}
    if use.flows:
        rows["flows"] = use.flows
    for what, (now, most) in sorted(rows.items()):
        if most and now >= _WARN * most:
            yield found(
                what,
                N_("{now} of {most} are used of: {what}"),
                evidence=[f"ovs-appctl fdb/stats-show, upcall/show: {what} {now}/{most}"],
                now=now,
                most=most,
                what=what,
            )
