"""A plan means the same disks when it is run, whatever the kernel calls them by then; on recorded output of `lsblk -J -O -b`."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.facts import linux_host
from blue_wizard.facts.disk_names import DiskNames
from blue_wizard.facts.linux_host import Block, parse_disks
from blue_wizard.migrate import physical_disks, serving
from blue_wizard.migrate.machine import Disk, Machine, Power
from blue_wizard.migrate.physical_disks import Grade, find, known
from blue_wizard.migrate.source_findings import disk_findings
from blue_wizard.migrate.sources.physical import Physical, machine_of
from blue_wizard.migrate.targets.origin import reading
from blue_wizard.migrate.wave import DiskPlan, VmPlan

GOLDEN = Path(__file__).parents[1] / "facts" / "golden"
COLUMNS = "NAME,KNAME,PKNAME,TYPE,SIZE,FSTYPE,RO,RM,TRAN,LOG-SEC,MODEL"
GIB = 1 << 30


def _rows(devices: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for device in devices:
        yield device
        yield from _rows(device.get("children", []))


def _line(row: Mapping[str, Any], columns: str) -> str:
    """A row as ``lsblk -P`` prints it."""
    cells = {c: row[c.lower()] for c in columns.split(",")}
    return " ".join(f'{c}="{int(v) if isinstance(v, bool) else "" if v is None else v}"' for c, v in cells.items())


def printed(sample: str, *, names: Mapping[str, str] | None = None, udev: bool = True) -> str:
    """What the script prints on a recorded host; `names` are those that the kernel gives its disks at another start.

    Without `udev` nothing is known of them but what the kernel says.
    """
    devices = json.loads((GOLDEN / f"lsblk-{sample}.json").read_text())["blockdevices"]
    links = (GOLDEN / f"lsblk-{sample}.links").read_text() if udev else ""
    told = [_line(d if udev else {**d, "wwn": None, "serial": None}, "KNAME,WWN,SERIAL") for d in devices]
    text = "\n".join(["==lsblk", *(_line(r, COLUMNS) for r in _rows(devices)), "==wwns", *told, "==links", links])
    if names:
        text = re.sub(rf"\b({'|'.join(names)})(p?\d*)\b", lambda m: names[m[1]] + m[2], text)
    return f"{text}\n==end\n"


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (
            "virtio",
            {
                "vda": ("path-pci-0000:04:00.0", Grade.PLACE, "/dev/disk/by-path/pci-0000:04:00.0"),
                "vdb": ("serial-web1-data", Grade.DISK, "/dev/disk/by-id/virtio-web1-data"),
                "vdc": ("path-pci-0000:06:00.0", Grade.PLACE, "/dev/disk/by-path/pci-0000:06:00.0"),
            },
        ),
        (
            "sata-nvme",
            {
                "sda": ("wwn-0x5000c500b5a2f3d1", Grade.DISK, "/dev/disk/by-id/wwn-0x5000c500b5a2f3d1"),
                "sdb": ("wwn-0x5000c500b5a30e47", Grade.DISK, "/dev/disk/by-id/wwn-0x5000c500b5a30e47"),
                "nvme0n1": ("wwn-eui.0025385b21404ba5", Grade.DISK, "/dev/disk/by-id/nvme-eui.0025385b21404ba5"),
                "nvme1n1": (
                    "wwn-nvme.1b36-30303031-51454d55204e564d65204374726c-00000001",
                    Grade.DISK,
                    "/dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_0001",
                ),
            },
        ),
        (
            # Both paths of the LUN say the same of themselves; what stays apart is where they come from.
            "multipath",
            {
                "sda": (
                    "wwn-0x6d0946606f1b8e3c002500f6b5e4c2d1",
                    Grade.DISK,
                    "/dev/disk/by-id/scsi-36d0946606f1b8e3c002500f6b5e4c2d1",
                ),
                "sdb": (
                    "path-pci-0000:5e:00.0-fc-0x500507680b2155a1-lun-0",
                    Grade.PLACE,
                    "/dev/disk/by-path/pci-0000:5e:00.0-fc-0x500507680b2155a1-lun-0",
                ),
                "sdc": (
                    "path-pci-0000:5e:00.1-fc-0x500507680b2255a1-lun-0",
                    Grade.PLACE,
                    "/dev/disk/by-path/pci-0000:5e:00.1-fc-0x500507680b2255a1-lun-0",
                ),
            },
        ),
    ],
)
def test_what_disks_are_known_by(sample: str, expected: dict[str, tuple[str, Grade, str]]) -> None:
    found = known(parse_disks(printed(sample)))
    assert {k.block.name: (k.id, k.grade, k.path) for k in found} == expected


@pytest.mark.parametrize(
    ("sample", "names"),
    [
        ("virtio", {"vda": "vdc", "vdb": "vda", "vdc": "vdb"}),
        ("sata-nvme", {"sda": "sdb", "sdb": "sda", "nvme0n1": "nvme1n1", "nvme1n1": "nvme0n1"}),
        ("multipath", {"sda": "sdc", "sdb": "sda", "sdc": "sdb"}),
    ],
)
def test_a_plan_means_the_same_disks_after_a_restart(sample: str, names: dict[str, str]) -> None:
    planned = known(parse_disks(printed(sample)))
    now = parse_disks(printed(sample, names=names))
    for disk in planned:
        again = find(now, "web1", disk.id)
        assert (again.block.name, again.path) == (names[disk.block.name], disk.path)
        assert again.block.known == disk.block.known


def test_a_real_guest_whose_disks_have_changed_their_names() -> None:
    """A Debian 12 in QEMU, started twice; in between two disks were put elsewhere, and one of them became a physical volume."""
    first, second = (parse_disks((GOLDEN / f"linux-host-disks-start{n}.txt").read_text()) for n in (1, 2))
    planned = {k.block.name: k.id for k in known(first)}
    assert planned == {
        "sda": "serial-d0",
        "sdb": "wwn-0x5000c500b5a2f3d1",
        "vda": "serial-web1-data",
        "vdb": "path-pci-0000:00:04.0",
        "nvme0n1": "wwn-nvme.1b36-533445574e5830523132333435364c-51454d55204e564d65204374726c-00000001",
    }
    now = {name: find(second, "web1", planned[name]).block.name for name in ("sda", "sdb", "vda", "nvme0n1")}
    assert now == {"sda": "sdb", "sdb": "sda", "vda": "vdb", "nvme0n1": "nvme0n1"}
    # What says nothing of itself is known by its place, where there is another one now.
    with pytest.raises(StepFailed, match=r"only as path-pci-0000:00:04.0.*serial-web1-data is called so"):
        find(second, "web1", planned["vdb"])
    assert not any(n.startswith("lvm-") for k in known(second) for n in k.names)


def test_a_lesser_name_of_the_same_disk_is_good_enough() -> None:
    # The WWN was not told when the plan was made.
    disks = parse_disks(printed("sata-nvme"))
    assert find(disks, "web1", "serial-ZC1A7LW9").block.name == "sdb"
    assert find(disks, "web1", "ata-ST4000NM0035-1V4107_ZC1A7LW9").block.name == "sdb"


def test_a_plan_of_kernel_names_is_refused_where_there_are_better_ones() -> None:
    with pytest.raises(StepFailed, match=r"only as sda.*wwn-0x5000c500b5a2f3d1") as refused:
        find(parse_disks(printed("sata-nvme")), "db7", "sda")
    assert "Plan again" in refused.value.hint


def test_another_disk_at_the_same_place_is_refused() -> None:
    other = [
        replace(d, known=replace(d.known, serial="S2")) if d.name == "vdc" else d
        for d in parse_disks(printed("virtio"))
    ]
    with pytest.raises(StepFailed, match=r"only as path-pci-0000:06:00.0.*serial-S2"):
        find(other, "web1", "path-pci-0000:06:00.0")


def test_a_disk_that_is_gone_is_told_with_what_is_there() -> None:
    left = [d for d in parse_disks(printed("sata-nvme")) if d.name != "sda"]
    with pytest.raises(StepFailed, match=r"no disk wwn-0x5000c500b5a2f3d1.*wwn-0x5000c500b5a30e47 \(sdb\)"):
        find(left, "db7", "wwn-0x5000c500b5a2f3d1")


def test_where_nothing_is_known_the_plan_says_so() -> None:
    disks = parse_disks(printed("virtio", udev=False))
    assert [(k.id, k.grade, k.path) for k in known(disks)] == [
        (name, Grade.KERNEL, f"/dev/{name}") for name in ("vda", "vdb", "vdc")
    ]
    assert find(disks, "web1", "vdb").block.name == "vdb"
    assert "only the kernel's name" in physical_disks.told(known(disks)[0])
    facts = linux_host.parse(printed("virtio", udev=False))
    assert "vda, vdb, vdc: without WWN" in "\n".join(machine_of("web1", facts, Power.ON).warnings)
    facts = linux_host.parse(printed("virtio"))
    assert "without WWN" not in "\n".join(machine_of("web1", facts, Power.ON).warnings)


def _disk(name: str, wwn: str = "", serial: str = "", *links: str) -> Block:
    return Block(name, "disk", GIB, known=DiskNames(wwn, serial, tuple(f"/dev/disk/by-id/{x}" for x in links)))


def test_what_two_disks_say_of_themselves_is_no_name() -> None:
    # The one link of udev leads to either of them.
    twins = [_disk("vda", "", "data", "virtio-data"), _disk("vdb", "", "data")]
    assert [k.grade for k in known(twins)] == [Grade.KERNEL, Grade.KERNEL]
    cloned = [_disk("sda", "0x51", "data", "ata-X_data", "wwn-0x51"), _disk("sdb", "0x52", "data", "wwn-0x52")]
    assert [k.names for k in known(cloned)] == [("wwn-0x51",), ("wwn-0x52",)]


@pytest.mark.parametrize(
    ("disk", "names"),
    [
        (_disk("sda", "0x0000000000000000", "00000000"), ("sda",)),
        (_disk("sda", "", "", "scsi-0QEMU_QEMU_HARDDISK_d0"), ("scsi-0QEMU_QEMU_HARDDISK_d0",)),
        (_disk("sdb", "", "", "lvm-pv-uuid-0aKd1E-3cJg"), ("sdb",)),
        (_disk("sda", "", "50 0C3A2/0131"), ("serial-50_0C3A2_0131",)),
    ],
    ids=["nothing but zeroes", "only udev's own", "a name of what is on it", "what no name is made of"],
)
def test_which_words_are_names(disk: Block, names: tuple[str, ...]) -> None:
    assert known([disk])[0].names == names


@pytest.mark.parametrize("script", [linux_host.DISKS, linux_host.SCRIPT, linux_host.DRIVERS])
def test_the_scripts_are_shell(script: str) -> None:
    subprocess.run(["dash", "-n"], input=script, text=True, check=True)


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Physical:
    """A source whose host answers with a recorded one, started anew since the plan was made."""
    answer = printed("virtio", names={"vda": "vdc", "vdb": "vda", "vdc": "vdb"})

    def script(_self: Physical, _machine: str, text: str, *_args: str, **_more: object) -> str:
        assert text == linux_host.DISKS
        return answer

    @contextmanager
    def serve(_image: object) -> Iterator[str]:
        yield "nbd://none"

    monkeypatch.setattr(Physical, "_script", script)
    monkeypatch.setattr(serving, "serve", serve)
    return Physical("physical://web1")


def test_what_is_read_is_the_disk_of_the_plan(source: Physical) -> None:
    for name, size in {"path-pci-0000:04:00.0": 20 * GIB, "serial-web1-data": 10 * GIB}.items():
        with source.peek_disk("web1", name) as export:
            assert export.size == size
            assert export.reader is not None
            (path,) = [x.path for x in known(parse_disks(printed("virtio"))) if x.id == name]
            assert export.reader().name == f"web1:{path}"  # type: ignore[attr-defined]
    assert source.ways("web1")[1] == "serial-web1-data (vda) is known by itself"


def test_a_disk_of_another_size_is_refused(source: Physical) -> None:
    args = {"machine": "web1", "disk": "serial-web1-data", "size": 11 * GIB}
    with source.peek_disk("web1", "serial-web1-data") as export:
        with pytest.raises(StepFailed, match="10737418240 bytes now, the plan says 11811160064"), reading(export, args):
            pass
        with reading(export, {**args, "size": 10 * GIB}) as reader:
            assert reader.size == 10 * GIB


def test_what_a_wave_says_that_the_machine_is_not() -> None:
    disks = (Disk("wwn-0x51", GIB, "raw", named="sda"), Disk("path-x", GIB, "raw", named="sdb"))
    machine = Machine("db7", "db7", 1, 512, disks)
    wanted = {"wwn-0x51": GIB, "path-x": 2 * GIB, "sda": GIB, "wwn-0x53": GIB}
    vm = VmPlan(id="db7", name="db7", vcpus=1, memory=512, disks=[DiskPlan(id=i, size=s) for i, s in wanted.items()])
    found = list(disk_findings(vm, machine))
    assert [f.title for f in found] == [f"db7: disk {i} is as planned" for i in ("path-x", "sda", "wwn-0x53")]
    assert not any(f.holds for f in found)
    for finding, word in zip(
        found, ("1073741824 at the source", "wwn-0x51 at the moment", "but wwn-0x51, path-x"), strict=True
    ):
        assert word in finding.detail
