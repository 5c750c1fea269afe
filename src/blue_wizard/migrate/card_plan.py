"""What a wave says of the names of cards inside a guest, and what a person should know of them. Pure."""

from __future__ import annotations

from typing import Literal

from blue_wizard.facts.card_names import CardNames
from blue_wizard.migrate.card_rules import Card, decide
from blue_wizard.migrate.convert import Guest
from blue_wizard.migrate.machine import Machine, Power
from blue_wizard.migrate.wave import VmPlan
from blue_wizard.text import _

__all__ = ["Names", "with_names"]

Names = Literal["auto", "always", "never"]
"""auto: where it is needed, as far as it is known before the copy; always: whatever is known; never: they are only told."""


def with_names(vm: VmPlan, machine: Machine, seen: Guest | None, wish: Names, remarks: list[str]) -> VmPlan:
    """The machine of the wave with the names of its cards, and whether they are kept; adds to `remarks`.

    `seen` is None where nobody looked inside, which is so for hardware that stays as it is.
    """
    if not vm.nics or "windows" in f"{machine.os} {seen.system if seen else ''}".lower():
        return vm
    can = vm.storage == "rbd"
    if seen is None or seen.cards is None or not (seen.system or _whole(machine)):
        # Without a look, foreign hardware is reason enough to look at the copy.
        keep = can and (wish == "always" or (wish == "auto" and seen is not None))
        if not machine.flavor:
            remarks.append(f"{vm.name}: {_unseen(keep, can)}")
        return vm.model_copy(update={"keep_names": keep})
    return _known(vm, seen.cards, wish, can, remarks)


def _whole(machine: Machine) -> bool:
    """Whether finding no system proves that there is none: it may lie across disks, and what is written to is in no order."""
    return len(machine.disks) == 1 and machine.power is not Power.ON


def _unseen(keep: bool, can: bool) -> str:
    if keep:
        return _(
            "nobody has looked yet what it calls its network cards; it is looked at on the copy, and the names are kept where "
            "it is proved which is which (--keep-names never leaves that out)"
        )
    if not can:
        return _(
            "nobody has looked what it calls its network cards, and names are kept only in storage: rbd: a Linux that is "
            "configured for such names (ens192) may have no network at the target"
        )
    return _(
        "nobody has looked what it calls its network cards: a Linux that is configured for such names (ens192) may have no "
        "network at the target; plan with --keep-names always to have them kept"
    )


def _known(vm: VmPlan, found: CardNames, wish: Names, can: bool, remarks: list[str]) -> VmPlan:
    cards = [Card(nic.source_mac, nic.mac or "") for nic in vm.nics]
    decision = decide(found, cards)
    remarks += [f"{vm.name}: {text}" for text in decision.told]
    names = ", ".join(decision.keep.values())
    if names and can and wish != "never":
        text = _(
            "{name}: it is configured for {names}, which its cards are not called at the target: the names are kept."
        )
        remarks.append(text.format(name=vm.name, names=names))
    elif names:
        text = _(
            "{name}: it is configured for {names}, which its cards are not called at the target: the server will have no "
            "network there."
        )
        remarks.append(text.format(name=vm.name, names=names))
    nics = [nic.model_copy(update={"name": decision.keep.get(i)}) for i, nic in enumerate(vm.nics)]
    keep = can and wish != "never" and (bool(names) or wish == "always")
    return vm.model_copy(update={"nics": nics, "keep_names": keep})
