"""Network cards that can't send and receive at once."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import Cards
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["half_duplex"]


@check(
    "host.half-duplex",
    N_("Network card works half-duplex"),
    severity=Severity.WARNING,
    remedy=N_("Let both ends of {card} negotiate by themselves (ethtool {card}), or set both by hand."),
    profile=Profile.DAILY,
)
def half_duplex(cards: Cards) -> Iterable[Finding]:
    """One end was set by hand and the other negotiates: throughput falls to a few Mbit/s, with late collisions."""
    for c in cards.rows:
        if c.physical and c.carrier and c.half_duplex:
            yield found(
                c.name, N_("{card} works half-duplex."), evidence=[f"/sys/class/net/{c.name}/duplex: half"], card=c.name
            )
