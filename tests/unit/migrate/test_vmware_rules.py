"""Every rule on the machines of the recorded vCenter: which of them fire where, and nowhere else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from blue_wizard.facts.vsphere import Vm, parse_vm
from blue_wizard.migrate import vmware_rules as rules
from blue_wizard.migrate.rules import Rules

GOLDEN = Path(__file__).parents[1] / "facts" / "vcenter.json"
MACHINES = {
    o["props"]["name"]: parse_vm(o["id"], o["props"], {})
    for o in json.loads(GOLDEN.read_text())
    if o["type"] == "VirtualMachine"
}
EXPECTED = {
    "vm-shop": (set(), set()),
    "plain": (set(), set()),
    "rdm": ({"raw_device"}, set()),
    "shared": ({"shared"}, set()),
    "cluster": ({"shared"}, set()),
    "vtpm": ({"tpm"}, set()),
    "encrypted": ({"encryption"}, set()),
    "volatile": ({"volatile"}, set()),
    "snapshots": ({"snapshots"}, set()),
    "suspended": ({"suspended"}, set()),
    "diskless": ({"no_disk"}, set()),
    "independent": (set(), {"independent"}),
    "no-tools": (set(), {"no_tools"}),
    "nvme": (set(), {"nvme"}),
    "ancient": (set(), {"old_hardware", "media"}),
}


def _fired(vm: Vm) -> tuple[set[str], set[str]]:
    def names(registry: Rules[Vm]) -> set[str]:
        return {getattr(r, "__name__", "?") for r in registry if list(r(vm))}

    return names(rules.blocker), names(rules.warning)


def _warm(vm: Vm) -> set[str]:
    return {getattr(r, "__name__", "?") for r in rules.warm_blocker if list(r(vm))}


@pytest.mark.parametrize("name", EXPECTED)
def test_rules_fire_where_they_should_and_nowhere_else(name: str) -> None:
    assert _fired(MACHINES[name]) == EXPECTED[name]


def test_what_the_simulator_has_not() -> None:
    vm = MACHINES["plain"]
    linked = replace(vm, disks=(replace(vm.disks[0], parent=True),))
    seen = {
        "template": replace(vm, template=True),
        "unreadable": replace(vm, readable=False, disks=()),
        "backing": replace(vm, disks=(replace(vm.disks[0], backing="SeSparse"),)),
        "snapshots": linked,
        "encryption": replace(vm, disks=(replace(vm.disks[0], encrypted=True),)),
        "scattered": replace(vm, scattered=True),
    }
    assert {name: _fired(machine)[0] for name, machine in seen.items()} == {name: {name} for name in seen}
    assert _fired(replace(vm, passthrough=("VirtualUSB",)))[1] == {"passthrough"}
    assert _fired(replace(vm, fault_tolerant=True)) == (set(), {"fault_tolerance"})


def test_what_can_move_but_not_while_it_runs() -> None:
    vm = MACHINES["vm-shop"]
    assert {name for name, one in MACHINES.items() if _warm(one)} == {"ancient", "independent", "volatile"}
    assert _warm(vm) == set()
    assert _warm(MACHINES["ancient"]) == {"untracked"}
    assert _warm(MACHINES["independent"]) == {"left_out"}
    assert _warm(replace(vm, can_track=False)) == {"untracked"}
    assert _warm(replace(vm, passthrough=("VirtualPCIPassthrough",))) == {"no_snapshots"}
    assert _warm(replace(vm, fault_tolerant=True)) == {"shadowed"}


def test_every_rule_is_tested() -> None:
    fired = {n for pair in EXPECTED.values() for names in pair for n in names}
    fired |= {"template", "unreadable", "backing", "passthrough", "scattered", "fault_tolerance"}
    fired |= {"left_out", "untracked", "no_snapshots", "shadowed"}
    assert fired == {getattr(r, "__name__", "?") for r in [*rules.blocker, *rules.warning, *rules.warm_blocker]}
