"""Network cards that damage frames."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import Cards
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["card_errors"]

_LEAST, _SHARE = 100, 1e-5


@check(
    "host.card-errors",
    N_("Network card has errors"),
    severity=Severity.WARNING,
    remedy=N_("Change the cable or the optics of {card}, then the switch's port; ethtool -S {card} tells the kind."),
    profile=Profile.DAILY,
)
def card_errors(cards: Cards) -> Iterable[Finding]:
    """More than 100, and more than one in 100,000 packets, since the card was started: hardware only."""
    for c in cards.rows:
        if c.physical and c.errors > _LEAST and c.errors > _SHARE * c.packets:
            yield found(
                c.name,
                N_("{card} has had {errors} errors in {packets} packets."),
                evidence=[f"/sys/class/net/{c.name}/statistics: rx_errors + tx_errors = {c.errors}"],
                card=c.name,
                errors=c.errors,
                packets=c.packets,
            )
