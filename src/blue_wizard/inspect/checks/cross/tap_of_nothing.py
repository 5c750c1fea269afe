"""Network cards of ports that are gone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from blue_wizard.facts.machine import Cards
from blue_wizard.facts.network import Ports
from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["tap_of_nothing"]

_NAME = re.compile(r"(?:tap|qvo|qvb|qbr)([0-9a-f]{8}-[0-9a-f]{2})$")


@check(
    "cross.tap-of-nothing",
    N_("Network card belongs to a port that is gone"),
    severity=Severity.WARNING,
    remedy=N_(
        "When no guest uses it (virsh domiflist): ovs-vsctl --if-exists del-port br-int {card}; ip link delete {card}"
    ),
    reread=True,
)
def tap_of_nothing(cards: Everywhere[Cards], ports: Ports) -> Iterable[Finding]:
    """tap, qvo, qvb or qbr with the beginning of an id that no port has. Hundreds of them slow the agent and OVS down."""
    known = {p.id[:11] for p in ports.rows}
    for host, c in sorted(cards.at.items()):
        lost: dict[str, list[str]] = {}
        for name in c.names:
            made = _NAME.match(name)
            if made and made[1] not in known:
                lost.setdefault(made[1], []).append(name)
        for prefix, names in sorted(lost.items()):
            yield found(
                prefix,
                N_("{cards} on {where} belong to a port that is gone."),
                host=host,
                evidence=[
                    f"/sys/class/net on {host}: {', '.join(sorted(names))}",
                    f"GET /ports: none begins with {prefix}",
                ],
                cards=", ".join(sorted(names)),
                card=sorted(names)[0],
                where=host,
            )
