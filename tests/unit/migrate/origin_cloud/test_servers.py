"""Servers as machines: what keeps them from moving, what will change for them, and both shapes of a flavor."""

from __future__ import annotations

from typing import Any

import pytest

from blue_wizard.migrate.machine import Firmware, Power, Together
from blue_wizard.migrate.origin_cloud.servers import ROOT, Around, in_order, labels, machine_of, power_of, together

GIB = 1 << 30
FLAVOR = {"vcpus": 2, "ram": 1024, "disk": 10, "ephemeral": 0, "swap": 0, "original_name": "m"}
OLD = {"id": "f", "name": "m", "vcpus": 2, "ram": 1024, "disk": 10, "OS-FLV-EXT-DATA:ephemeral": 0, "swap": ""}


def server(**more: Any) -> dict[str, Any]:
    return {
        "id": "s",
        "name": "web",
        "status": "ACTIVE",
        "flavor": FLAVOR,
        "image": {"id": "i"},
        "metadata": {},
        **more,
    }


def volume(id_: str, device: str, **more: Any) -> dict[str, Any]:
    attached = [{"server_id": "s", "device": device}]
    return {"id": id_, "size": 3, "attachments": attached, "encrypted": False, **more}


def port(**more: Any) -> dict[str, Any]:
    fixed = [{"ip_address": "10.0.0.5"}, {"ip_address": "fd00::5"}]
    return {
        "id": "p",
        "mac_address": "FA:16:3E:00:00:01",
        "network_id": "n",
        "fixed_ips": fixed,
        "security_groups": ["g"],
        **more,
    }


AROUND = Around(images={"i": {"id": "i"}}, networks={"n": "net"}, groups={"g": "web"}, flavors={"f": OLD})


def test_both_generations_of_a_flavor_are_one_size() -> None:
    now = machine_of(server(), AROUND)
    then = machine_of(server(flavor={"id": "f"}), AROUND)
    assert now == then
    assert (now.vcpus, now.memory, now.flavor, now.disks[0].size) == (2, 1024, "m", 10 * GIB)


def test_a_local_disk_comes_first_and_volumes_by_their_device() -> None:
    volumes = {v["id"]: v for v in (volume("b", "/dev/vdaa"), volume("a", "/dev/vdz"))}
    attached = [{"id": "b"}, {"id": "a"}]
    found = machine_of(
        server(**{"os-extended-volumes:volumes_attached": attached}),
        Around(volumes=volumes, images={"i": {}}),
    )
    assert [(d.id, d.boot) for d in found.disks] == [(ROOT, True), ("a", False), ("b", False)]


@pytest.mark.parametrize("root", ["/dev/vdb", None])
def test_the_volume_that_a_server_boots_from(root: str | None) -> None:
    properties = {"hw_firmware_type": "uefi", "os_secure_boot": "required", "hw_disk_bus": "scsi"}
    first, second = ("/dev/vda", "/dev/vdb") if root else ("/dev/vdb", "/dev/vda")
    boot = volume("boot", second, volume_image_metadata=properties)
    volumes = {"data": volume("data", first), "boot": boot}
    said = {"OS-EXT-SRV-ATTR:root_device_name": root} if root else {}
    attached = [{"id": "data"}, {"id": "boot"}]
    found = machine_of(
        server(image="", **{"os-extended-volumes:volumes_attached": attached}, **said), Around(volumes=volumes)
    )
    assert [(d.id, d.boot, d.bus) for d in found.disks] == [("boot", True, "scsi"), ("data", False, "scsi")]
    assert (found.firmware, found.secure_boot) == (Firmware.UEFI, True)
    assert found.properties == {"hw_firmware_type": "uefi", "hw_disk_bus": "scsi"}


def test_cards_with_groups_and_shared_addresses() -> None:
    pairs = [{"ip_address": "10.0.0.100"}, {"ip_address": "10.0.0.5"}, {"ip_address": "10.9.0.0/16"}]
    found = machine_of(server(), Around(ports={"s": [port(allowed_address_pairs=pairs)]}, networks={"n": "net"},
                                        groups={"g": "web"}, images={"i": {}}))  # fmt: skip
    (nic,) = found.nics
    assert (nic.mac, nic.network, nic.addresses) == ("fa:16:3e:00:00:01", "net", ("10.0.0.5", "fd00::5"))
    assert (nic.shared, nic.groups) == (("10.0.0.100",), ("web",))
    assert any("10.9.0.0/16" in w for w in found.warnings)


def test_one_name_for_two_networks_is_no_name() -> None:
    assert labels([{"id": "1", "name": "a"}, {"id": "2", "name": "a"}, {"id": "3", "name": "b"}, {"id": "4", "name": ""}]) == {
        "1": "1", "2": "2", "3": "b", "4": "4"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"status": "PAUSED"}, "PAUSED"),
        ({"status": "SHELVED_OFFLOADED"}, "SHELVED"),
        ({"OS-EXT-STS:task_state": "migrating"}, "migrating"),
        ({"flavor": {"id": "gone"}}, "flavor is gone"),
        ({"flavor": {**FLAVOR, "disk": 0}}, "local disk"),
        ({"flavor": {**FLAVOR, "ephemeral": 5}}, "ephemeral disk of 5 GiB"),
        ({"os-extended-volumes:volumes_attached": [{"id": "x"}]}, "x belongs to another project"),
        ({"os-extended-volumes:volumes_attached": [{"id": "e"}]}, "e is encrypted"),
        ({"os-extended-volumes:volumes_attached": [{"id": "m"}]}, "m is attached to other servers"),
        ({"image": ""}, "no disk"),
    ],
)
def test_what_keeps_a_server_from_moving(more: dict[str, Any], word: str) -> None:
    shared = volume("m", "/dev/vdb")
    shared["attachments"].append({"server_id": "other", "device": "/dev/vdb"})
    volumes = {"e": volume("e", "/dev/vdb", encrypted=True), "m": shared}
    found = machine_of(server(**more), Around(volumes=volumes, images={"i": {}}))
    assert any(word in b for b in found.blockers), found.blockers
    assert machine_of(server(), AROUND).blockers == ()


@pytest.mark.parametrize(
    ("more", "around", "word"),
    [
        ({"flavor": {**FLAVOR, "swap": 512}}, AROUND, "swap disk of 512 MiB"),
        ({"config_drive": "True"}, AROUND, "configuration drive"),
        ({}, Around(), "image is gone"),
        ({}, Around(ports={"s": [port()]}, floating={"p": ["172.24.4.9"]}), "172.24.4.9"),
        ({}, Around(ports={"s": [port(**{"binding:vnic_type": "direct"})]}), "direct"),
        ({}, Around(ports={"s": [port(port_security_enabled=False)]}), "port security"),
        ({}, Around(ports={"s": [port(trunk_details={"trunk_id": "t"})]}), "trunk"),
    ],
)
def test_what_will_change_for_a_server(more: dict[str, Any], around: Around, word: str) -> None:
    assert any(word in w for w in machine_of(server(**more), around).warnings)
    assert machine_of(server(), AROUND).warnings == ()


@pytest.mark.parametrize(
    ("status", "task", "power"),
    [
        ("ACTIVE", None, Power.ON),
        ("SHUTOFF", None, Power.OFF),
        ("SHUTOFF", "powering-on", Power.ON),
        ("ERROR", None, Power.ON),
    ],
)
def test_only_a_server_at_rest_is_off(status: str, task: str | None, power: Power) -> None:
    assert power_of({"status": status, "OS-EXT-STS:task_state": task}) is power


def test_what_is_a_secret_by_its_name_stays_behind() -> None:
    # A plan with it would be refused, and everybody who reads plans would have it.
    found = machine_of(server(metadata={"db_password": "x", "owner": "tenant"}), AROUND)
    assert found.metadata == {"owner": "tenant"}
    assert any("db_password" in w for w in found.warnings)


def test_marks_of_earlier_migrations_do_not_travel() -> None:
    found = machine_of(server(metadata={"blue_wizard": "job=m-1 step=server", "owner": "tenant"}), AROUND)
    assert found.metadata == {"owner": "tenant"}


def test_cards_come_in_the_order_that_the_guest_knows() -> None:
    macs = ["fa:16:3e:00:00:0a", "fa:16:3e:00:00:0b", "fa:16:3e:00:00:0c", "fa:16:3e:00:00:0d"]
    said = {"front": [{"OS-EXT-IPS-MAC:mac_addr": macs[2]}, {"OS-EXT-IPS-MAC:mac_addr": macs[2]}],
            "back": [{"OS-EXT-IPS-MAC:mac_addr": macs[0]}, {"OS-EXT-IPS-MAC:mac_addr": macs[1]}]}  # fmt: skip
    found = in_order({"addresses": said}, [port(mac_address=m.upper()) for m in macs])
    # One without an address is not in Nova's list, and comes last.
    assert [p["mac_address"].lower() for p in found] == [macs[2], macs[0], macs[1], macs[3]]


@pytest.mark.parametrize(
    ("group", "rule"),
    [
        ({"policies": ["anti-affinity"]}, (Together("g", True),)),
        ({"policies": ["soft-anti-affinity"]}, (Together("g", True),)),
        ({"policy": "affinity"}, (Together("g", False),)),
        ({"policies": ["legacy"]}, ()),
    ],
)
def test_server_groups_of_every_generation(group: dict[str, Any], rule: tuple[Together, ...]) -> None:
    found = together([{"name": "g", "members": ["s"], **group}])
    assert found.get("s", ()) == rule
    assert machine_of(server(), Around(images={"i": {}}, together=found)).rules == rule
