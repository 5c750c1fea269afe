"""What the simulator has answered (vcenter.json, recorded by `reach.vsphere.Center.collect`), and the oddities of real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.facts.vsphere import Vm, datacenter_path, parse_vm, split_path, unescape

GOLDEN: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vcenter.json").read_text())
NETWORKS = {"dvportgroup-11": "dv-backend", "ls-7": "overlay"}


def props_of(name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        o["props"] for o in GOLDEN if o["type"] == "VirtualMachine" and o["props"]["name"] == name
    )
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def _vm(name: str) -> Vm:
    networks = {o["props"]["key"]: o["props"]["name"] for o in GOLDEN if o["type"] == "dvs.DistributedVirtualPortgroup"}
    return parse_vm("vm-1", props_of(name), networks)


def test_a_machine_with_two_disks_and_two_cards() -> None:
    vm = _vm("vm-shop")
    assert (vm.vcpus, vm.memory, vm.power, vm.firmware, vm.tools, vm.hardware) == (
        1,
        128,
        "poweredOn",
        "bios",
        True,
        19,
    )
    assert [(d.key, d.size, d.bus, d.controller, d.thin) for d in vm.disks] == [
        (2000, 64 << 20, "scsi", "pvscsi", False),
        (2001, (33 << 20) + 512, "scsi", "pvscsi", True),
    ]
    assert vm.disks[0].file == "[ds one] vm-shop/vm-shop.vmdk"
    assert vm.boot == 2000
    # Link-local addresses are left out: every guest has one, wherever it is.
    assert [(n.mac, n.network, n.model, n.addresses) for n in vm.nics] == [
        ("00:50:56:aa:01:01", "VM Network", "vmxnet3", ("192.168.122.71",)),
        ("00:50:56:aa:01:02", "dv-backend", "vmxnet3", ("192.168.150.71",)),
    ]


def test_names_are_shown_as_people_wrote_them() -> None:
    assert _vm("网店%2fÜbung").name == "网店/Übung"
    assert unescape("100%25 %5csure%5C") == "100% \\sure\\"
    assert unescape("50%20") == "50%20"


def test_uefi_and_secure_boot() -> None:
    vm = _vm("网店%2fÜbung")
    assert (vm.firmware, vm.secure_boot) == ("uefi", True)


def test_snapshots_are_counted_through_the_tree() -> None:
    assert [s.name for s in _vm("snapshots").snapshots] == ["snapshot 1", "snapshot 2"]
    assert _vm("plain").snapshots == ()


def test_the_boot_order_chooses_the_disk() -> None:
    props = props_of("vm-shop")
    props["config.bootOptions"] = {
        "bootOrder": [{"_type": "x.BootableEthernetDevice", "deviceKey": 4000}, {"deviceKey": 2001}]
    }
    assert parse_vm("vm-1", props, {}).boot == 2001


def test_a_machine_that_may_not_be_read_is_told_and_no_error() -> None:
    vm = parse_vm("vm-9", {"name": "secret", "runtime.powerState": "poweredOff"}, {})
    assert (vm.name, vm.readable, vm.disks) == ("secret", False, ())


def test_opaque_networks_have_names_of_their_own_and_v4_comes_first() -> None:
    props = props_of("vm-shop")
    card = next(d for d in props["config.hardware"]["device"] if "macAddress" in d)
    card["backing"] = {"_type": "vim.vm.device.VirtualEthernetCard.OpaqueNetworkBackingInfo", "opaqueNetworkId": "ls-7"}
    props["guest.net"] = [{"deviceConfigId": 4000, "ipAddress": ["2001:db8::7", "169.254.1.1", "10.0.0.7"]}]
    nic = parse_vm("vm-1", props, NETWORKS).nics[0]
    assert (nic.network, nic.addresses) == ("overlay", ("10.0.0.7", "2001:db8::7"))


def test_disks_of_an_old_host_tell_kibibytes_alone() -> None:
    props = props_of("plain")
    disk = next(d for d in props["config.hardware"]["device"] if "capacityInBytes" in d)
    del disk["capacityInBytes"]
    assert parse_vm("vm-1", props, {}).disks[0].size == 1 << 20


def test_a_snapshot_of_the_disk_is_seen_without_a_snapshot_of_the_machine() -> None:
    props = props_of("plain")
    disk = next(d for d in props["config.hardware"]["device"] if "capacityInBytes" in d)
    disk["backing"]["parent"] = {"fileName": "[ds one] plain/base.vmdk"}
    vm = parse_vm("vm-1", props, {})
    assert vm.disks[0].parent


def test_the_host_that_a_machine_is_registered_on() -> None:
    assert parse_vm("vm-1", {**props_of("plain"), "runtime.host": "host-23"}, {}).host == "host-23"
    assert parse_vm("vm-1", props_of("plain"), {}).host == ""


def test_datastore_paths() -> None:
    assert split_path("[ds one] a b/c.vmdk") == ("ds one", "a b/c.vmdk")
    assert split_path("[vsan]c.vmdk") == ("vsan", "c.vmdk")
    with pytest.raises(ValueError, match="ds:"):
        split_path("ds:///vmfs/x")


def test_the_path_of_a_datacenter_in_folders_leaves_out_the_root() -> None:
    entities: dict[str, dict[str, Any]] = {
        "datastore-1": {"name": "ds", "parent": "group-s2"},
        "group-s2": {"name": "datastore", "parent": "datacenter-3"},
        "datacenter-3": {"name": "Halle%2fSüd", "parent": "group-d4", "datacenter": True},
        "group-d4": {"name": "Europe", "parent": "group-d1"},
    }
    assert datacenter_path("datastore-1", entities) == "Europe/Halle%2fSüd"
    assert datacenter_path("datastore-9", entities) == ""
