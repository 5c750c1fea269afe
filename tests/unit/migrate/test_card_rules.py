"""Which names of cards are lost, which are kept, and of which nothing can be proved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from blue_wizard.facts.card_names import Binding, CardNames
from blue_wizard.migrate.card_plan import Names, with_names
from blue_wizard.migrate.card_rules import Card, decide, written
from blue_wizard.migrate.convert import Guest
from blue_wizard.migrate.machine import Machine, Nic, Power
from blue_wizard.migrate.mapping import MapFile
from blue_wizard.migrate.planning import Wishes, make_wave
from blue_wizard.migrate.preconditions import check
from blue_wizard.migrate.steps import vm_steps
from blue_wizard.migrate.wave import NicPlan, VmPlan

from .test_steps import MACHINE, SITE, make

A, B, NEW = "00:50:56:9a:11:22", "00:50:56:9a:33:44", "fa:16:3e:00:00:01"
ONE, TWO = (Card(A, NEW),), (Card(A, NEW), Card(B, "fa:16:3e:00:00:02"))


def bound(*names: str, mac: str = "", given: dict[str, str] | None = None, **more: Any) -> CardNames:
    return CardNames(tuple(Binding("/etc/f", n, mac) for n in names), given or {}, **more)


@pytest.mark.parametrize(
    ("found", "cards", "keep", "lost"),
    [
        (bound("ens192"), ONE, {0: "ens192"}, ()),
        (bound("ens224", "ens192"), TWO, {0: "ens192", 1: "ens224"}, ()),
        (bound("eth0"), ONE, {0: "eth0"}, ()),
        # Nothing names a card.
        (bound(), ONE, {}, ()),
        # By MAC address alone, which stays.
        (bound("", mac=A), (Card(A, A),), {}, ()),
        # By both: the name is needed as well.
        (bound("ens192", mac=A), (Card(A, A),), {0: "ens192"}, ()),
        # A rule of the guest's own gives the name to a MAC address that stays, or says whose name it was.
        (bound("lan0", "ens9", given={A: "ens9"}), (Card(A, A),), {}, ("lan0",)),
        (bound("ens9", given={A: "ens9"}), (Card(A, A),), {}, ()),
        (bound("ens9", given={B: "ens9"}), TWO, {1: "ens9"}, ()),
        # The kernel's names stay, until an old rule is in their way.
        (bound("eth0", kernel=True), ONE, {}, ()),
        (bound("eth0", kernel=True, given={A: "eth0"}), ONE, {0: "eth0"}, ()),
        (bound("ens192", kernel=True), ONE, {0: "ens192"}, ()),
        # All but one are proved, so the last one is too.
        (bound("ens192", "ens224", given={B: "ens224"}), TWO, {0: "ens192", 1: "ens224"}, ()),
        # The wave says it.
        (bound("ens192"), (TWO[0], replace(TWO[1], name="ens192")), {1: "ens192"}, ()),
        # Guesses: more cards than names, more names than cards, names of several kinds, too many to go by their order.
        (bound("ens192"), TWO, {}, ("ens192",)),
        (bound("ens192", "ens224"), ONE, {}, ("ens192", "ens224")),
        (bound("ens192", "eno1"), TWO, {}, ("ens192", "eno1")),
        (bound("ens1", "ens2", "ens3", "ens4", "ens5"), TWO * 2 + ONE, {}, ("ens1", "ens2", "ens3", "ens4", "ens5")),
    ],
)  # fmt: skip
def test_what_becomes_of_names(
    found: CardNames, cards: tuple[Card, ...], keep: dict[int, str], lost: tuple[str, ...]
) -> None:
    decision = decide(found, cards)
    assert (decision.keep, decision.lost) == (keep, lost)
    assert bool(decision.told) == bool(lost)
    assert all(name in decision.told[0] for name in lost)


def test_a_configuration_for_an_address_that_goes_is_told() -> None:
    """No name helps it: it wants the MAC address too. One of a card that is long gone concerns nobody."""
    decision = decide(bound("eth0", mac=A), ONE)
    assert decision.keep == {}
    assert "--keep-mac" in decision.told[0]
    assert decide(bound("eth0", mac="00:50:56:9a:99:99"), ONE).told == ()


def test_the_file_for_each_udev() -> None:
    (link,) = written(bound(links=True), [(NEW.upper(), "ens192")])
    assert link.path == "/etc/systemd/network/60-blue-wizard-ens192.link"
    assert link.text.endswith(f"[Match]\nMACAddress={NEW}\nPath=pci-*\n\n[Link]\nName=ens192\n")
    (rules,) = written(bound(), [(NEW, "eth0"), (A, "eth1")])
    assert rules.path == "/etc/udev/rules.d/70-blue-wizard-net.rules"
    assert [line for line in rules.text.splitlines() if not line.startswith("#")] == [
        f'SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{{type}}=="1", ATTR{{address}}=="{mac}", NAME="{name}"'
        for mac, name in ((NEW, "eth0"), (A, "eth1"))
    ]
    assert written(bound(links=True), []) == ()


FOREIGN = replace(
    MACHINE, disks=tuple(replace(d, bus="scsi") for d in MACHINE.disks), nics=(Nic(A, "net"),), power=Power.OFF
)
SEEN = Guest("Debian", True, (), bound("ens192"))


def planned(seen: Guest, wish: Names = "auto", machine: Machine = FOREIGN, **more: Any) -> tuple[VmPlan, list[str]]:
    wishes = Wishes(mapped=MapFile(default_network="net"), keep_names=wish, **more)
    wave, remarks = make_wave("s", [machine], SITE, wishes, lambda _m: seen)
    return wave.vms[0], remarks


def test_names_are_kept_where_it_is_needed_and_proved_and_the_plan_says_so() -> None:
    vm, remarks = planned(SEEN)
    assert (vm.keep_names, vm.nics[0].name) == (True, "ens192")
    assert (
        "m: it is configured for ens192, which its cards are not called at the target: the names are kept." in remarks
    )


def test_switched_off_they_are_only_told() -> None:
    for vm, remarks in (planned(SEEN, "never"), planned(SEEN, storage="local")):
        assert not vm.keep_names
        assert any("ens192" in r and "will have no network" in r for r in remarks)


def test_what_is_not_needed_is_not_done() -> None:
    vm, remarks = planned(replace(SEEN, cards=bound("", mac=A)), keep_mac=True)
    assert (vm.keep_names, vm.nics[0].name, remarks) == (False, None, [])
    assert planned(replace(SEEN, cards=bound("", mac=A)), "always", keep_mac=True)[0].keep_names
    assert planned(Guest("Windows", True), "always")[0].keep_names is False
    # One that runs can't be looked into, but its source knows what it is.
    windows = replace(FOREIGN, os="Microsoft Windows Server 2019 (64-bit)")
    assert planned(Guest("", None), machine=windows)[0].keep_names is False


def test_no_guess_is_planned() -> None:
    machine = replace(FOREIGN, nics=(Nic(A, "net"), Nic(B, "net")))
    vm, remarks = planned(SEEN, machine=machine)
    assert (vm.keep_names, [n.name for n in vm.nics]) == (False, [None, None])
    assert any("ens192" in r and "can't be proved" in r for r in remarks)


def test_where_no_system_was_found_there_is_no_second_look_in_the_downtime() -> None:
    nothing = Guest("", None, (), CardNames())
    one = replace(FOREIGN, disks=FOREIGN.disks[:1])
    assert planned(nothing, machine=one)[0].keep_names is False
    assert planned(nothing, machine=replace(one, power=Power.UNKNOWN))[0].keep_names is False
    assert planned(nothing, "always", machine=one)[0].keep_names
    # Here the plan has seen one disk of several, or one that was written to.
    two = replace(one, disks=(*one.disks, replace(one.disks[0], id="another")))
    assert planned(nothing, machine=two)[0].keep_names
    assert planned(nothing, machine=replace(one, power=Power.ON))[0].keep_names


def test_a_guest_that_nobody_could_look_into_is_looked_at_on_the_copy() -> None:
    vm, remarks = planned(Guest("", None))
    assert vm.keep_names
    assert any("looked at on the copy" in r for r in remarks)
    vm, remarks = planned(Guest("", None), "always", storage="local")
    assert not vm.keep_names
    assert any("only in storage: rbd" in r for r in remarks)
    # On virtio nobody looks inside before, and what another OpenStack gave stays as it is.
    native = replace(FOREIGN, disks=tuple(replace(d, bus="virtio") for d in MACHINE.disks))
    vm, remarks = planned(SEEN, machine=native)
    assert not vm.keep_names
    assert any("--keep-names always" in r for r in remarks)
    assert planned(SEEN, "always", machine=native)[0].keep_names
    vm, remarks = planned(SEEN, machine=replace(native, flavor="small"))
    assert (vm.keep_names, remarks) == (False, [])


def test_no_two_cards_are_called_the_same_and_only_rbd_is_written_to() -> None:
    wave = make()
    vm = wave.vms[0]

    def bad(**changed: Any) -> str:
        found = check(wave.model_copy(update={"vms": [vm.model_copy(update=changed)]}), SITE)
        return "".join(f.title for f in found if not f.holds)

    assert "name of its own" in bad(nics=[NicPlan(network="net", name="ens192")] * 2)
    assert "name of its own" not in bad(nics=[NicPlan(network="net", name=n) for n in ("ens192", "ens224")])
    assert "without keep_names" in bad(storage="local", keep_names=True)


def test_a_machine_without_cards_has_no_names() -> None:
    vm = make().vms[0].model_copy(update={"nics": []})
    assert with_names(vm, MACHINE, SEEN, "always", []) is vm


def test_the_step_comes_before_anything_is_on_the_wire() -> None:
    wave = make()
    nics = [NicPlan(network="net", source_mac=A, name="ens192")]
    vm = wave.vms[0].model_copy(update={"keep_names": True, "nics": nics, "convert": True})
    steps = vm_steps(wave, vm, SITE, Power.OFF)
    ids = [s.id for s in steps]
    assert ids.index("convert") < ids.index("names") < ids.index("attach.0")
    step = next(s for s in steps if s.id == "names")
    assert step.args["cards"] == [{"port": "port.0", "was": A, "name": "ens192"}]
    assert "ens192" in step.title
    # Without a server there are no cards.
    alone = vm.model_copy(update={"server": False})
    assert "names" not in [s.id for s in vm_steps(wave, alone, SITE, Power.OFF)]
