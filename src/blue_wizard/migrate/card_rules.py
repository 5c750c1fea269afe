"""Which names of cards a guest loses when it moves, and which of them can be kept. Pure.

The card's place on the bus makes its name (systemd.net-naming-scheme(7)), and no cloud puts it where the source had it. A name is
kept only for a card that it is proved to be of: by a file of the guest that has its MAC address, by the wave, by being the only
name of the only card, or by the order of as many names as there are cards. Everything else would be a guess, and it is not made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from blue_wizard.facts.card_names import CardNames
from blue_wizard.text import _

__all__ = ["LINK_FOLDER", "RULE_FOLDER", "Card", "Decision", "Written", "decide", "written"]

# VMware's slots go 160, 192, 224, 256, and on with 161: from the fifth card on the order of the numbers is not that of the cards.
_IN_ORDER_UP_TO = 4
LINK_FOLDER = "/etc/systemd/network"
RULE_FOLDER = "/etc/udev/rules.d"


@dataclass(frozen=True)
class Card:
    """A card: its MAC address at the source, the one that it has at the target ("" where that one is not known yet).

    `name` is what the wave says that it is called inside.
    """

    was: str
    mac: str = ""
    name: str = ""

    @property
    def kept(self) -> bool:
        """It keeps its MAC address."""
        return bool(self.was) and self.was.lower() == self.mac.lower()


@dataclass(frozen=True)
class Decision:
    """`keep` is the number of a card to the name that is written for it. `lost` are names that nothing keeps, `told` says why."""

    keep: dict[int, str] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class Written:
    """A file for the guest."""

    path: str
    text: str


def decide(found: CardNames, cards: Sequence[Card]) -> Decision:
    """What becomes of the names of a guest with these cards."""
    told = []
    kept = {c.was.lower() for c in cards if c.kept}
    ours = {c.was.lower() for c in cards}
    deaf = {b.mac: b for b in found.bound if b.mac in ours - kept}
    for binding in deaf.values():
        text = _(
            "{file} is for the MAC address {mac}, which no card has at the target: the server has no network there unless it "
            "keeps the address (--keep-mac)"
        )
        told.append(text.format(file=binding.file, mac=binding.mac))
    names = dict.fromkeys(b.name for b in found.bound if b.name and (not b.mac or b.mac in kept))
    # A name that the guest's own files give to a MAC address that stays needs nobody.
    sure = {name for mac, name in found.given.items() if mac in kept}
    wished = {i: c.name for i, c in enumerate(cards) if c.name}
    keep = dict(wished)
    lost = [n for n in names if n not in sure and n not in wished.values() and _is_lost(n, found)]
    numbers = {c.was.lower(): i for i, c in enumerate(cards) if c.was}
    for mac, name in [*found.given.items(), *((b.mac, b.name) for b in found.bound if b.mac)]:
        if name in lost and numbers.get(mac, -1) not in {-1, *keep}:
            keep[numbers[mac]] = name
            lost.remove(name)
    if lost and not keep and not sure and (order := _by_order(lost, cards, names)):
        keep, lost = dict(enumerate(order)), []
    elif len(lost) == 1 and len(left := _without_name(cards, keep, sure, found)) == 1 and len(cards) == len(names):
        # All others are proved, so the last name is the last card's.
        keep[left[0]], lost = lost[0], []
    if lost:
        text = _(
            "its network is configured for {names}, names that cards do not have at the target, and which of its {count} cards is "
            "which can't be proved: the server has no network there; say name: at each of its nics in the wave, and "
            "keep_names: true"
        )
        told.append(text.format(names=", ".join(lost), count=len(cards)))
    return Decision(dict(sorted(keep.items())), tuple(lost), tuple(told))


def _is_lost(name: str, found: CardNames) -> bool:
    """udev names cards by their place, and only where it names none at all eth0 stays what it is, until a rule is in its way."""
    if re.match(r"eth\d+$", name) and found.kernel:
        return name in found.given.values()
    return not name.startswith("enx")


def _numbers(name: str) -> tuple[str, list[int]]:
    return re.sub(r"\d+", "#", name), [int(n) for n in re.findall(r"\d+", name)]


def _by_order(lost: Sequence[str], cards: Sequence[Card], names: Iterable[str]) -> list[str] | None:
    """The names in the order of the cards, or None where it proves nothing."""
    if not len(lost) == len(cards) == len(list(names)) or len(cards) > _IN_ORDER_UP_TO:
        return None
    if len({_numbers(n)[0] for n in lost}) != 1:
        return None
    return sorted(lost, key=lambda n: _numbers(n)[1])


def _without_name(cards: Sequence[Card], keep: dict[int, str], sure: Iterable[str], found: CardNames) -> list[int]:
    named = {mac for mac, name in found.given.items() if name in set(sure)}
    return [i for i, c in enumerate(cards) if i not in keep and c.was.lower() not in named]


def written(found: CardNames, names: Iterable[tuple[str, str]]) -> tuple[Written, ...]:
    """The files that give each MAC address of `names` its name, in the language of the guest's udev.

    Only cards on PCI are meant: a VLAN or a bridge on top of a card has its MAC address too.
    """
    head = "# Written by blue-wizard: this card had this name before the machine was moved.\n"
    pairs = [(mac.lower(), name) for mac, name in names]
    if not pairs:
        return ()
    if found.links:
        return tuple(
            Written(
                f"{LINK_FOLDER}/60-blue-wizard-{name}.link",
                f"{head}[Match]\nMACAddress={mac}\nPath=pci-*\n\n[Link]\nName={name}\n",
            )
            for mac, name in pairs
        )
    lines = [
        f'SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{{type}}=="1", ATTR{{address}}=="{mac}", NAME="{name}"\n'
        for mac, name in pairs
    ]
    return (Written(f"{RULE_FOLDER}/70-blue-wizard-net.rules", head + "".join(lines)),)
