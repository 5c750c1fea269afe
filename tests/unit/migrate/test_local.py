"""Which disk is which file, which flavor and which host take them, and what speaks against writing: pure functions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.errors import InputError, Refused
from blue_wizard.migrate import preconditions, wave
from blue_wizard.migrate.local import Compute, candidates, files, parse_computes, room_of
from blue_wizard.migrate.machine import Disk, Firmware
from blue_wizard.migrate.mapping import Flavor, Room, best_flavor, new_flavor
from blue_wizard.migrate.steps import flavor_steps, vm_steps
from blue_wizard.migrate.targets.local_disks import against
from blue_wizard.migrate.wave import DiskPlan, Wave

from .test_steps import GIB, MACHINE, ON, SITE, make

DISKS = [DiskPlan(id="a", size=5), DiskPlan(id="b", size=GIB + 1, boot=True), DiskPlan(id="c", size=GIB)]
HOSTS = (Compute("cmp1", "nova", 5), Compute("cmp2", "edge", 50))
LOCAL = replace(SITE, computes=HOSTS)


def test_the_boot_disk_is_the_root_and_the_others_are_ephemeral() -> None:
    assert files(DISKS) == ["disk.eph0", "disk", "disk.eph1"]
    assert room_of(DISKS) == Room(root=2, ephemeral=2)


@pytest.mark.parametrize(
    ("room", "disk", "ephemeral", "swap", "fits"),
    [
        (Room(4, 0), 4, 0, 0, True),
        (Room(4, 0), 3, 0, 0, False),
        (Room(4, 0), 0, 0, 0, False),  # "as large as the image"
        (Room(4, 0), 4, 1, 0, False),  # Nova would add a disk that the machine does not have
        (Room(4, 0), 4, 0, 64, False),
        (Room(4, 2), 4, 2, 0, True),
        (Room(4, 2), 4, 3, 0, True),
        (Room(4, 2), 4, 1, 0, False),
    ],
)
def test_a_flavor_gives_just_these_disks(room: Room, disk: int, ephemeral: int, swap: int, fits: bool) -> None:
    flavor = Flavor("f", "f", 1, 1024, disk, ephemeral=ephemeral, swap=swap)
    assert room.fits(flavor) is fits
    assert best_flavor([flavor], 1, 1024, room) == (flavor if fits else None)


def test_a_flavor_of_more_than_twice_the_disk_is_no_match() -> None:
    flavors = [Flavor(str(d), f"d{d}", 1, 1024, d) for d in (40, 9, 8, 7)]
    best = best_flavor(flavors, 1, 1024, Room(4, 0))
    assert best is not None
    assert best.name == "d7"
    assert best_flavor(flavors[:1], 1, 1024, Room(4, 0)) is None


def test_the_name_of_a_new_flavor_says_its_disks() -> None:
    assert new_flavor(2, 512) == "bw-2c-512m"
    assert new_flavor(2, 512, Room(4, 0)) == "bw-2c-512m-4g"
    assert new_flavor(2, 512, Room(4, 1)) == "bw-2c-512m-4g-1g"


def test_a_host_has_the_room_that_both_nova_and_placement_allow() -> None:
    def service(host: str, **more: str) -> dict[str, Any]:
        return {"host": host, "zone": "z", "status": "enabled", "state": "up", **more}

    def hypervisor(host: str, least: int | None) -> dict[str, Any]:
        return {"id": f"id-{host}", "service": {"host": host}, "disk_available_least": least}

    def stock(capacity: int, used: int) -> dict[str, Any]:
        return {"resources": {"DISK_GB": {"capacity": capacity, "used": used}}}

    services = [service(h) for h in "abcde"] + [service("off", status="disabled"), service("gone", state="down")]
    least = {"a": 10, "b": 90, "c": None, "d": -5, "e": 70, "off": 70, "gone": 70}
    summaries = {"id-a": stock(100, 20), "id-b": stock(100, 20), "id-c": stock(100, 20), "id-d": stock(100, 20),
                 "id-off": stock(9, 0), "id-gone": stock(9, 0)}  # fmt: skip
    found = parse_computes(services, [hypervisor(h, n) for h, n in least.items()], summaries)
    # Placement leaves out who has nothing left at all.
    assert [(c.host, c.free) for c in found] == [("a", 10), ("b", 80), ("c", 80), ("d", 0), ("e", 0)]


def test_a_zone_narrows_the_hosts() -> None:
    assert [c.host for c in candidates(HOSTS, None)] == ["cmp1", "cmp2"]
    assert [c.host for c in candidates(HOSTS, "edge")] == ["cmp2"]


def test_the_steps_of_a_machine_with_local_disks() -> None:
    made = make(storage="local", shutdown=True)
    steps = vm_steps(made, made.vms[0], LOCAL, ON)
    assert [s.verb for s in steps] == [
        "neutron.port.create", "glance.image.create", "nova.server.create", "nova.server.stop",
        "source.power.off", "local.disk.import", "local.disk.import", "nova.port.attach", "nova.server.start",
        "migrate.server.verify",
    ]  # fmt: skip
    by_id = {s.id: s.args for s in steps}
    (flavor,) = flavor_steps(made, LOCAL)
    assert (flavor.args["disk"], flavor.args["ephemeral"]) == (4, 1)
    assert by_id["server"]["flavor_name"] == flavor.args["name"]
    assert [(by_id[f"import.{i}"]["file"], by_id[f"import.{i}"]["gib"]) for i in range(2)] == [
        ("disk", 4),
        ("disk.eph0", 1),
    ]
    assert by_id["server"]["image"] == "image"
    assert [d["gib"] for d in by_id["server"]["disks"]] == [4, 1]


def test_a_root_disk_is_as_large_as_its_flavor_says() -> None:
    machine = replace(MACHINE, disks=MACHINE.disks[:1])
    site = replace(LOCAL, flavors=(Flavor("f2", "six", 1, 1024, 6),))
    made = make(machine, site, storage="local")
    assert made.vms[0].flavor == "six"
    (step,) = [s for s in vm_steps(made, made.vms[0], site, ON) if s.id == "import.0"]
    assert step.args["gib"] == 6


def test_firmware_and_bus_stand_in_the_image() -> None:
    disks = (Disk("sda", GIB, "qcow2", "scsi", boot=True),)
    made = make(replace(MACHINE, disks=disks, firmware=Firmware.UEFI), storage="local", convert="never")
    (image,) = [s for s in vm_steps(made, made.vms[0], LOCAL, ON) if s.id == "image"]
    assert image.args["properties"] == {
        "hw_disk_bus": "scsi",
        "hw_scsi_model": "virtio-scsi",
        "hw_firmware_type": "uefi",
        "hw_machine_type": "q35",
    }


@pytest.mark.parametrize("storage", ["rbd", "local"])
def test_a_staging_folder_makes_three_steps_of_each_import(storage: str) -> None:
    made = make(storage=storage, staging="/srv/staging")
    steps = [
        s for s in vm_steps(made, made.vms[0], LOCAL, ON) if s.id.partition(".")[0] in {"stage", "import", "unstage"}
    ]
    assert [s.id for s in steps] == ["stage.0", "import.0", "unstage.0", "stage.1", "import.1", "unstage.1"]
    assert steps[0].args["folder"] == "/srv/staging"
    assert {s.args["staged"] for s in steps[1:3]} == {"stage.0"}


def test_local_disks_need_no_pool_and_no_volumes() -> None:
    preconditions.judge(preconditions.check(make(storage="local"), replace(LOCAL, pool="", pool_free=0)))


@pytest.mark.parametrize(
    ("change", "kind", "word"),
    [
        ({"availability_zone": "nova"}, None, ""),
        ({"flavor": "small"}, InputError, "small is made for"),
        ({"convert": True}, InputError, "conversion"),
    ],
)
def test_what_a_machine_with_local_disks_may_not_say(
    change: dict[str, Any], kind: type[Exception] | None, word: str
) -> None:
    made = make(storage="local")
    made = made.model_copy(update={"vms": [made.vms[0].model_copy(update=change)]})
    if kind is None:
        preconditions.judge(preconditions.check(made, LOCAL))
        return
    with pytest.raises(kind, match=word):
        preconditions.judge(preconditions.check(made, LOCAL))


@pytest.mark.parametrize(
    ("computes", "word"),
    [
        ((Compute("cmp1", "nova", 4), Compute("cmp2", "nova", 4)), "5 GiB needed, at most 4 GiB"),
        ((), "at most 0 GiB"),
        (None, "administrator"),
    ],
)
def test_refused_without_room_on_one_host(computes: tuple[Compute, ...] | None, word: str) -> None:
    with pytest.raises(Refused, match=word):
        preconditions.judge(preconditions.check(make(storage="local"), replace(SITE, computes=computes)))


def test_all_machines_together_have_to_fit() -> None:
    made = make(storage="local")
    twins = [made.vms[0].model_copy(update={"name": f"m{i}"}) for i in range(12)]
    many = replace(LOCAL, quotas=())
    with pytest.raises(Refused, match="60 GiB in the worst case, 55 GiB"):
        preconditions.judge(preconditions.check(made.model_copy(update={"vms": twins}), many))


def test_a_wave_says_where_disks_go(tmp_path: Path) -> None:
    file = tmp_path / "wave.yaml"
    wave.write(make(storage="local", staging="/srv/staging"), file)
    found = wave.read(file)
    assert (found.staging, found.vms[0].storage) == ("/srv/staging", "local")
    file.write_text(file.read_text().replace("storage: local", "storage: floppy"))
    with pytest.raises(InputError, match="storage"):
        wave.read(file)
    file.write_text(file.read_text().replace("storage: floppy", "storage: rbd").replace("/srv/staging", "staging"))
    with pytest.raises(InputError, match="staging"):
        wave.read(file)


def test_a_wave_of_before_goes_into_rbd() -> None:
    data = make().model_dump(mode="json")
    del data["vms"][0]["storage"], data["staging"]
    assert Wave.model_validate(data).vms[0].storage == "rbd"


SERVER = {"metadata": {"blue_wizard": "job=j1 step=server"}, "status": "SHUTOFF", "OS-EXT-STS:task_state": None}


@pytest.mark.parametrize(
    ("change", "state", "openers", "word"),
    [
        ({}, "shut off", [], ""),
        ({"metadata": {}}, "shut off", [], "mark"),
        ({"metadata": {"blue_wizard": "job=j11 step=server"}}, "shut off", [], "mark"),
        ({"status": "ACTIVE"}, "shut off", [], "stopped"),
        ({"OS-EXT-STS:task_state": "powering-on"}, "shut off", [], "stopped"),
        ({}, "running", [], "running"),
        ({}, "shut off", ["/proc/7/fd/9"], "open"),
    ],
)
def test_what_speaks_against_writing(change: dict[str, Any], state: str, openers: list[str], word: str) -> None:
    reasons = against({**SERVER, **change}, state, openers, "j1")
    assert len(reasons) == (1 if word else 0)
    assert word in "".join(reasons)
