"""Bonds that have lost links."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import Cards
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["bond"]


@check(
    "host.bond",
    N_("Bond is degraded"),
    severity=Severity.WARNING,
    remedy=N_("Check cable, optics and switch's port of {slaves}; without a partner, LACP is off on the switch."),
)
def bond(cards: Cards) -> Iterable[Finding]:
    """A slave is down, or LACP finds no partner. Critical when no slave is up."""
    for b in cards.bonds:
        down = [name for name, up in b.slaves if not up]
        if down:
            yield found(
                b.name,
                N_("{bond} has lost {slaves}."),
                evidence=[f"/proc/net/bonding/{b.name}: {name} down" for name in down],
                severity=Severity.CRITICAL if len(down) == len(b.slaves) else None,
                bond=b.name,
                slaves=", ".join(down),
            )
        elif b.no_partner:
            yield found(
                b.name,
                N_("{bond} has found no LACP partner: it uses one link at most."),
                evidence=[f"/proc/net/bonding/{b.name}: Partner Mac Address 00:00:00:00:00:00"],
                bond=b.name,
                slaves=", ".join(name for name, _up in b.slaves),
            )
