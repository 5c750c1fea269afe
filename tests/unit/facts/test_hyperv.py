"""Machines of Hyper-V: answers as Microsoft documents them, and nothing but a GUID in a script."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.facts.hyperv import INVENTORY, SHUT_DOWN, START, STATE, Vm, for_one, parse_vm
from blue_wizard.reach.powershell import unwrap, wrap

GOLDEN = json.loads((Path(__file__).parent / "golden" / "hyperv.json").read_text())


def named(name: str) -> dict[str, Any]:
    return next(dict(m) for m in GOLDEN if m["name"] == name)


def test_a_machine_with_checkpoints() -> None:
    vm = parse_vm(named("web"))
    assert (vm.generation, vm.cpus, vm.startup, vm.dynamic, vm.checkpoints, vm.secure_boot) == (
        1,
        1,
        128,
        True,
        2,
        False,
    )
    assert [d.id for d in vm.disks] == ["ide-0-0", "scsi-0-0"]
    assert [f.path.rpartition("\\")[2][:4] for f in vm.disks[0].chain] == ["web_", "web_", "gold"]
    assert vm.disks[0].size == 64 << 20
    assert vm.boot_disk == "ide-0-0"
    (nic,) = vm.nics
    assert (nic.mac, nic.network, nic.addresses) == ("00:15:5d:0a:01:02", "LAN vlan 20", ("192.168.122.81",))


def test_generation_two_starts_from_where_its_firmware_says() -> None:
    data = named("gen2")
    second = {**data["disks"][0], "location": 1, "path": "C:\\VMs\\other.vhdx"}
    vm = parse_vm({**data, "disks": [*data["disks"], second], "boot": ["C:\\vms\\OTHER.vhdx"]})
    assert vm.secure_boot
    assert vm.boot_disk == "scsi-0-1"


def test_lists_as_powershell_5_writes_them() -> None:
    data = named("web")
    (nic,) = data["nics"]
    for form in ({"value": [nic], "Count": 1}, nic):
        assert len(parse_vm({**data, "nics": form}).nics) == 1
    assert parse_vm({**data, "nics": None}).nics == ()
    assert parse_vm({**data, "boot": [None]}).boot == ()


def test_a_card_that_was_never_started_has_no_address() -> None:
    data = named("web")
    (nic,) = data["nics"]
    assert parse_vm({**data, "nics": [{**nic, "mac": "000000000000"}]}).nics[0].mac == ""


@pytest.mark.parametrize("script", [INVENTORY, STATE, START, SHUT_DOWN])
def test_nothing_but_a_guid_comes_into_a_script(script: str) -> None:
    good = str(named("web")["id"])
    assert good in for_one(script, good).lower()
    assert "@" not in for_one(script, good).replace("@(", "").replace("@{", "")
    for bad in ("", "web", f"{good}'; Remove-VM *", f"{good}\n", "*"):
        with pytest.raises(ValueError):  # noqa: PT011
            for_one(script, bad)


def test_every_machine_of_the_record_is_understood() -> None:
    found = [parse_vm(m) for m in GOLDEN]
    assert all(isinstance(vm, Vm) for vm in found)
    assert {vm.state for vm in found} == {"Off"}


def answer(data: dict[str, Any]) -> str:
    text = base64.b64encode(json.dumps(data).encode()).decode()
    return "\r\n".join(text[i : i + 76] for i in range(0, len(text), 76)) + "\r\n"


def test_answers() -> None:
    assert unwrap(answer({"ok": True, "value": ["网店"]}), "hv1") == ["网店"]
    assert unwrap(answer({"ok": True, "value": None}), "hv1") == []
    with pytest.raises(StepFailed, match="access denied"):
        unwrap(answer({"ok": False, "error": "access denied", "id": "x"}), "hv1")
    with pytest.raises(StepFailed) as caught:
        unwrap(answer({"ok": False, "error": "Get-VM?", "id": "CommandNotFoundException"}), "hv1")
    assert "Hyper-V module" in caught.value.hint
    for nonsense in ("", "The term 'x' is not recognized", answer({"value": 1})):
        with pytest.raises(StepFailed, match="no answer that can be read"):
            unwrap(nonsense, "hv1")


def test_scripts_are_plain_ascii() -> None:
    # They come by the input, in whatever code page the host has.
    for body in (INVENTORY, STATE, START, SHUT_DOWN):
        wrap(body).encode("ascii")
