"""What a guest's disks will keep it from: each rule on disks as bytes, word for word, and what a plan makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.migrate import guest_rules, source_findings
from blue_wizard.migrate.convert import Guest
from blue_wizard.migrate.extents import Reader
from blue_wizard.migrate.guest_disks import Seen, see_disk
from blue_wizard.migrate.guest_look import look, see
from blue_wizard.migrate.machine import Disk, Firmware, Machine, Power
from blue_wizard.migrate.mapping import MapFile
from blue_wizard.migrate.planning import Wishes, make_wave
from blue_wizard.migrate.rules import Rules
from blue_wizard.migrate.source import Glancing
from tests.unit.facts import sectors
from tests.unit.facts.sectors import Counted

from .test_steps import MACHINE, SITE

GIB, MIB = 1 << 30, 1 << 20


class FewBytes(Counted):
    """A large disk with something at a few places only."""

    def __init__(self, size: int, places: Mapping[int, bytes]) -> None:
        super().__init__(b"", size)
        self.places = places

    def read(self, offset: int, length: int) -> bytes:
        super().read(offset, length)
        out = bytearray(length)
        for at, data in self.places.items():
            start, end = max(at, offset), min(at + len(data), offset + length)
            if start < end:
                out[start - offset : end - offset] = data[start - at : end - at]
        return bytes(out)


def by_mbr(*parts: tuple[int, int, bytes], size: int = 20 * GIB) -> FewBytes:
    """Partitions of (type, size, content), one after the other."""
    at, entries, places = MIB, [], {}
    for kind, length, content in parts:
        entries.append((kind, at // 512, length // 512, False))
        places[at] = content
        at += length
    return FewBytes(size, {0: sectors.mbr(entries), **places})


def by_gpt(*parts: tuple[str, int, bytes], size: int = 20 * GIB, attributes: int = 0) -> FewBytes:
    at, entries, places = MIB, [], {}
    for kind, length, content in parts:
        entries.append((kind, at // 512, (at + length) // 512 - 1, attributes))
        places[at] = content
        at += length
    head = sectors.gpt(8 * MIB, entries)
    return FewBytes(size, {0: bytes(head[: 34 * 512]), **places})


def seen(*disks: Counted, firmware: Firmware = Firmware.BIOS) -> Seen:
    known = tuple(Disk(f"sd{'abc'[i]}", d.size, "raw", boot=i == 0) for i, d in enumerate(disks))
    machine = Machine("m", "m", 1, 1024, known, firmware=firmware)
    return Seen(machine, tuple(see_disk(k, d.read, d.size) for k, d in zip(known, disks, strict=True)))


LINUX = by_mbr((0x83, 10 * GIB, sectors.ext()))
WINDOWS = by_mbr((0x07, 500 * MIB, sectors.ntfs()), (0x07, 15 * GIB, sectors.ntfs(asleep=b"wake")))
SLEEPING = by_mbr((0x07, 500 * MIB, sectors.ntfs()), (0x07, 15 * GIB, sectors.ntfs(asleep=b"HIBR")))
EFI_ONLY = by_gpt(
    (sectors.EFI, 100 * MIB, b""), (sectors.RESERVED, 16 * MIB, b""), (sectors.BASIC_DATA, 15 * GIB, sectors.ntfs())
)
DYNAMIC = by_mbr((0x42, 15 * GIB, sectors.ntfs()))
BITLOCKER = by_mbr((0x07, 500 * MIB, sectors.ntfs()), (0x07, 15 * GIB, sectors.bitlocker()))
ENCRYPTED = by_mbr((0x83, GIB, sectors.ext()), (0x83, 15 * GIB, sectors.luks(2)))
LVM = by_mbr((0x83, GIB, sectors.ext()), (0x8E, 15 * GIB, sectors.lvm()))
BEHIND = by_mbr((0x83, 30 * GIB, sectors.ext()))
DAMAGED = FewBytes(GIB, {0: sectors.mbr([(0xEE, 1, 100, False)])})
EMPTY = FewBytes(GIB, {})
LARGE = FewBytes(GIB, {0: bytes(sectors.gpt(16 * MIB, [(sectors.LINUX, 256, 1000, 4)], 4096)[: 6 * 4096])})

# (disks, firmware, what is told, what keeps it from a conversion)
CASES: dict[str, tuple[Seen, list[str], list[str]]] = {
    "Linux": (seen(LINUX), [], []),
    "LVM beside /boot": (seen(LVM), [], []),
    "Windows that was shut down": (seen(WINDOWS), [], []),
    "Windows that sleeps": (
        seen(SLEEPING),
        [
            "sda, partition 2: its Windows is hibernated (Fast Startup does that), and would wake on other hardware: before the "
            "last shutdown run powercfg /h off in it"
        ],
        [
            "sda, partition 2: its Windows is hibernated, as Fast Startup leaves it after each shutdown: start it, run powercfg /h "
            "off in it, and shut it down fully (shutdown /s /t 0)"
        ],
    ),
    "Linux that sleeps": (
        seen(by_mbr((0x83, 9 * GIB, sectors.ext()), (0x82, GIB, bytes(4086) + b"S1SUSPEND\0"))),
        ["sda, partition 2: its Linux is hibernated, and would wake on other hardware: start it, and shut it down"],
        [],
    ),
    "NTFS that has to be checked": (
        seen(by_mbr((0x07, 9 * GIB, sectors.ntfs(dirty=True)))),
        ["sda, partition 1: its NTFS is marked as not in order: run chkdsk /f on it, and shut it down"],
        [],
    ),
    "a dynamic disk with Windows": (
        seen(DYNAMIC),
        ["sda is a dynamic disk (LDM): all disks of its group have to move together"],
        [
            "sda is a dynamic disk (LDM), and its Windows is not converted: make it a basic disk, or install the virtio drivers in "
            "it and plan with --convert never"
        ],
    ),
    "a dynamic disk with data": (
        seen(WINDOWS, by_gpt((sectors.LDM_DATA, 15 * GIB, b""))),
        ["sdb is a dynamic disk (LDM): all disks of its group have to move together"],
        [],
    ),
    "Storage Spaces": (
        seen(WINDOWS, by_gpt((sectors.SPACES, 15 * GIB, b""))),
        ["sdb belongs to Storage Spaces: all disks of its pool have to move together"],
        [],
    ),
    "BitLocker": (
        seen(BITLOCKER),
        [
            "sda, partition 2 is encrypted with BitLocker and moves as it is: have its recovery key at hand, or suspend it before "
            "the shutdown (manage-bde -protectors -disable C: -RebootCount 0)"
        ],
        [
            "sda, partition 2 is encrypted with BitLocker: decrypt it (manage-bde -off C:), or install the virtio drivers in it "
            "and plan with --convert never"
        ],
    ),
    "BitLocker beside an open system": (
        seen(by_mbr((0x07, 9 * GIB, sectors.ntfs()), (0x07, 9 * GIB, sectors.bitlocker()))),
        [
            "sda, partition 2 is encrypted with BitLocker and moves as it is: have its recovery key at hand, or suspend it before "
            "the shutdown (manage-bde -protectors -disable C: -RebootCount 0)"
        ],
        [],
    ),
    "LUKS": (
        seen(ENCRYPTED),
        [
            "sda, partition 2 is encrypted with LUKS and moves as it is: somebody has to give its passphrase on the server's "
            "console"
        ],
        [
            "sda, partition 2 is encrypted with LUKS: put the virtio drivers into its initial ramdisk yourself, and plan with "
            "--convert never"
        ],
    ),
    "LUKS on a whole disk with data": (
        seen(LINUX, FewBytes(GIB, {0: sectors.luks(1)})),
        ["sdb is encrypted with LUKS and moves as it is: somebody has to give its passphrase on the server's console"],
        [],
    ),
    "no room": (
        seen(by_mbr((0x83, 10 * GIB, sectors.ext(free=512)))),
        [],
        ["sda, partition 1 has 2.0 MiB free, virt-v2v needs 10 MiB in each file system: make room in it"],
    ),
    "BIOS, made for UEFI": (
        seen(EFI_ONLY),
        [
            "it is to start by BIOS, but sda is made for UEFI alone (an EFI system partition, and nothing for a BIOS): say "
            "firmware: uefi in the wave"
        ],
        [],
    ),
    "BIOS, Windows on a GPT": (
        seen(by_gpt((sectors.EFI, 100 * MIB, b""), (sectors.RESERVED, 16 * MIB, b""), attributes=4)),
        [
            "it is to start by BIOS, but sda is made for UEFI alone (an EFI system partition, and nothing for a BIOS): say "
            "firmware: uefi in the wave"
        ],
        [],
    ),
    "UEFI, made for UEFI": (seen(EFI_ONLY, firmware=Firmware.UEFI), [], []),
    "BIOS, made for both": (
        seen(by_gpt((sectors.BIOS_BOOT, MIB, b""), (sectors.EFI, 100 * MIB, b""), (sectors.LINUX, 9 * GIB, sectors.ext()))),
        [],
        [],
    ),
    "BIOS, a GPT that a BIOS may start from": (
        seen(by_gpt((sectors.EFI, 100 * MIB, b""), (sectors.LINUX, 9 * GIB, sectors.ext()), attributes=4)),
        [],
        [],
    ),
    "UEFI, made for BIOS": (
        seen(WINDOWS, firmware=Firmware.UEFI),
        [
            "it is to start by UEFI, but none of its disks has an EFI system partition: if it does not start, say firmware: bios "
            "in the wave"
        ],
        [],
    ),
    "UEFI, its EFI partition on another disk": (seen(LINUX, EFI_ONLY, firmware=Firmware.UEFI), [], []),
    "nothing to start from": (
        seen(EMPTY),
        ["its boot disk sda begins with zeroes, there is nothing to start from: is another one its boot disk?"],
        [],
    ),
    "no table": (
        seen(FewBytes(GIB, {0: b"noise"})),
        ["its boot disk sda has no partition table that can be read: is another one its boot disk, or is it encrypted?"],
        [],
    ),
    "a file system as a whole": (
        seen(FewBytes(GIB, {0: sectors.ext()})),
        [
            "its boot disk sda has no partition table but a file system or volume (ext) as a whole: it starts only if a boot "
            "loader lies in its first sector"
        ],
        [],
    ),
    "data without a table": (seen(LINUX, EMPTY, FewBytes(GIB, {0: sectors.lvm()})), [], []),
    "cut off": (
        seen(BEHIND),
        ["sda: a partition of it ends behind the disk: it is cut off, or was made smaller"],
        [],
    ),
    "all of a partition cut off": (
        seen(by_mbr((0x83, 9 * GIB, sectors.ext()), (0x83, 9 * GIB, b""), size=8 * GIB)),
        ["sda: a partition of it ends behind the disk: it is cut off, or was made smaller"],
        [],
    ),
    "a damaged GPT": (
        seen(DAMAGED),
        ["sda: it has a GPT, and neither copy of it is whole: look at the disk in the guest before it moves"],
        [],
    ),
    "large sectors": (
        seen(LARGE),
        ["sda: its partition table counts in sectors of 4096 bytes, the target's disks have 512"],
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_told_of_disks(name: str) -> None:
    found, told, kept = CASES[name]
    assert list(guest_rules.warning.findings(found)) == told
    assert list(guest_rules.unconvertible.findings(found)) == kept


@pytest.mark.parametrize("rules", [guest_rules.warning, guest_rules.unconvertible])
def test_every_rule_has_a_case(rules: Rules[Seen]) -> None:
    silent = [rule.__name__ for rule in rules if not any(list(rule(found)) for found, _told, _kept in CASES.values())]
    assert silent == []


@pytest.mark.parametrize(
    ("disk", "reads"),
    # The table, each partition, and for each NTFS its boot sector, its first records, its hibernation file's record and start.
    [(LINUX, 2), (LVM, 3), (EMPTY, 2), (BITLOCKER, 5), (WINDOWS, 9)],
    ids=["Linux", "LVM", "empty", "BitLocker", "Windows"],
)
def test_a_look_costs_a_few_reads(disk: FewBytes, reads: int) -> None:
    disk.reads.clear()
    seen(disk)
    assert len(disk.reads) == reads
    assert sum(length for _at, length in disk.reads) < MIB


def test_a_disk_with_very_many_partitions_is_not_read_without_end() -> None:
    disk = by_gpt(*[(sectors.LINUX, MIB, b"")] * 128, size=GIB)
    assert len(see_disk(Disk("a", GIB, "raw"), disk.read, GIB).volumes) == 16
    assert len(disk.reads) == 17


class Glanced:
    """A source whose disks can be looked at."""

    def __init__(self, disks: Mapping[str, Counted | Exception | None]) -> None:
        self.disks, self.asked = disks, list[str]()

    @contextmanager
    def glance(self, _machine_id: str, disk_id: str) -> Iterator[Reader | None]:
        self.asked.append(disk_id)
        found = self.disks[disk_id]
        if isinstance(found, Exception):
            raise found
        yield found  # type: ignore[misc]


def a_machine(names: Sequence[str] = ("sda", "sdb"), **changes: object) -> Machine:
    disks = tuple(Disk(n, 20 * GIB, "raw", "ide", boot=n == "sda") for n in names)
    return replace(MACHINE, **{"disks": disks, "power": Power.OFF, **changes})  # type: ignore[arg-type]


def test_where_nobody_could_look_nothing_is_said() -> None:
    for source in (
        object(),
        Glanced({"sda": StepFailed("it runs"), "sdb": None}),
        Glanced({"sda": InputError("x"), "sdb": None}),
    ):
        assert look(source, a_machine()) == a_machine()  # type: ignore[arg-type]
    half = see(Glanced({"sda": SLEEPING, "sdb": None}), a_machine(firmware=Firmware.UEFI))  # type: ignore[arg-type]
    # The EFI partition may lie on the other disk.
    assert not any("UEFI" in w for w in guest_rules.warning.findings(half))
    assert guest_rules.unconvertible.findings(half)


@pytest.mark.parametrize(
    ("changes", "asked"), [({}, ["sda", "sdb"]), ({"blockers": ("it is shared",)}, []), ({"power": Power.ON}, [])]
)
def test_a_machine_that_runs_or_can_not_move_is_not_looked_at(changes: Mapping[str, Any], asked: list[str]) -> None:
    source = Glanced({"sda": LINUX, "sdb": EMPTY})
    look(source, a_machine(**changes))  # type: ignore[arg-type]
    assert source.asked == asked


def planned(machine: Machine, **wishes: object) -> list[str]:
    wished = Wishes(mapped=MapFile(), **wishes)  # type: ignore[arg-type]
    return make_wave("s", [machine, replace(MACHINE, id="n", name="n")], SITE, wished, lambda _m: Guest("W", False))[1]


def test_who_will_be_converted_is_left_out_with_the_remedy_and_who_will_not_is_warned() -> None:
    asleep = look(Glanced({"sda": SLEEPING, "sdb": None}), a_machine())  # type: ignore[arg-type]
    (reason,) = (r for r in planned(asleep) if "left out" in r)
    assert reason.startswith("m is left out, it can't be converted: sda, partition 2: its Windows is hibernated")
    assert "powercfg /h off" in reason
    for remarks in (planned(asleep, convert="never"), planned(replace(asleep, flavor="small"))):
        assert not any("left out" in r for r in remarks)
        assert [r for r in remarks if r.startswith("m: sda, partition 2: its Windows is hibernated")]


def test_groups_of_machines_that_are_left_out_are_not_made() -> None:
    from blue_wizard.migrate.machine import Together

    machine = a_machine(unconvertible=("so",), rules=(Together("apart", apart=True),))
    wishes = Wishes(mapped=MapFile())
    wave, _remarks = make_wave("s", [machine, replace(MACHINE, id="n")], SITE, wishes, lambda _m: Guest("W", False))
    assert (len(wave.vms), wave.server_groups) == (1, [])


def test_a_wave_that_was_edited_is_asked_again_before_it_runs() -> None:
    machine = a_machine()
    wave, _remarks = make_wave(
        "s", [machine], SITE, Wishes(mapped=MapFile(), convert="always"), lambda _m: Guest("", None)
    )
    source = Glanced({"sda": SLEEPING, "sdb": None})
    found = source_findings.check(wave, source, {"m": machine})  # type: ignore[arg-type]
    assert [(f.title, f.holds, "powercfg /h off" in f.detail) for f in found if "converted" in f.title] == [
        ("m: it can be converted", False, True)
    ]
    wave.vms[0] = wave.vms[0].model_copy(update={"convert": False})
    source.asked.clear()
    assert not [f for f in source_findings.check(wave, source, {"m": machine}) if "converted" in f.title]  # type: ignore[arg-type]
    assert source.asked == []


def test_the_abilities_of_sources() -> None:
    from blue_wizard.migrate.sources.files import Files
    from blue_wizard.migrate.sources.kvm import Kvm
    from blue_wizard.migrate.sources.vsphere import Vsphere

    assert [issubclass(s, Glancing) for s in (Files, Kvm, Vsphere)] == [True, True, True]
