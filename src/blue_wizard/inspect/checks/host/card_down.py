"""Network cards that are switched on and have no link."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import Cards
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["card_down"]


@check(
    "host.card-down",
    N_("Network card has no link"),
    severity=Severity.WARNING,
    remedy=N_("Check the cable, the optics and the switch's port of {card}; a card that is not used is set down."),
)
def card_down(cards: Cards) -> Iterable[Finding]:
    """Hardware, up, and without carrier. Cards of virtual machines and bridges are not meant."""
    for c in cards.rows:
        if c.physical and c.up and not c.carrier:
            yield found(
                c.name,
                N_("{card} is up, but has no link."),
                evidence=[f"/sys/class/net/{c.name}/carrier: not 1"],
                card=c.name,
            )
