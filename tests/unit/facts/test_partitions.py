"""Partition tables, contents by their first bytes, and how Windows has left a volume."""

from __future__ import annotations

import contextlib
import struct
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blue_wizard.facts import ntfs, signatures
from blue_wizard.facts.partitions import Fault, Partition, Table, parse

from . import sectors
from .sectors import MIB, SECTOR, Counted

SIZE = 8 * MIB


def table(data: bytes | bytearray, size: int = SIZE) -> tuple[Table, list[tuple[int, int]]]:
    disk = Counted(data, size)
    return parse(disk.read, size), disk.reads


def test_an_mbr_with_its_flags() -> None:
    found, reads = table(sectors.mbr([(0x07, 2048, 4096, True), (0x83, 8192, 2048, False)]))
    assert found == Table(
        "mbr",
        (Partition(1, MIB, 2 * MIB, "07", active=True), Partition(2, 4 * MIB, MIB, "83")),
    )
    assert len(reads) == 1


def chained(*ebrs: tuple[int, list[tuple[int, int, int, bool]]]) -> bytearray:
    disk = bytearray(SIZE)
    disk[:SECTOR] = sectors.mbr([(0x83, 63, 100, True), (0x05, 2048, 8000, False)])
    for at, entries in ebrs:
        disk[at * SECTOR : (at + 1) * SECTOR] = sectors.mbr(entries)
    return disk


def test_logical_partitions_count_from_two_places() -> None:
    first = (2048, [(0x83, 8, 100, False), (0x05, 1000, 500, False)])
    second = (3048, [(0x82, 8, 200, False)])
    found, reads = table(chained(first, second))
    assert [(p.number, p.start // SECTOR, p.kind) for p in found.partitions] == [
        (1, 63, "83"),
        (5, 2056, "83"),
        (6, 3056, "82"),
    ]
    assert found.faults == ()
    assert len(reads) == 3


@pytest.mark.parametrize("follows", [0x7FFF_FFFF, 3000])
def test_a_chain_that_breaks_off(follows: int) -> None:
    found, _reads = table(chained((2048, [(0x83, 8, 100, False), (0x05, follows, 500, False)])))
    assert [p.number for p in found.partitions] == [1, 5]
    assert found.faults == (Fault.LOGICAL,)


def test_a_chain_that_turns_in_a_circle_ends() -> None:
    first = (2048, [(0x83, 8, 100, False), (0x05, 1000, 500, False)])
    back = (3048, [(0x83, 8, 100, False), (0x05, 1000, 500, False)])
    found, reads = table(chained(first, back))
    assert found.faults == (Fault.LOGICAL,)
    assert len(reads) == 3


PARTS = [(sectors.EFI, 2048, 4095, 0), (sectors.LINUX, 4096, 8191, 4)]


@pytest.mark.parametrize("sector", [512, 4096])
def test_a_gpt_in_one_read(sector: int) -> None:
    parts = [(k, b * 512 // sector, (e + 1) * 512 // sector - 1, a) for k, b, e, a in PARTS]
    found, reads = table(sectors.gpt(SIZE, parts, sector))
    assert found == Table(
        "gpt",
        (Partition(1, MIB, MIB, sectors.EFI), Partition(2, 2 * MIB, 2 * MIB, sectors.LINUX, active=True)),
        sector,
    )
    assert len(reads) == 1


@pytest.mark.parametrize("byte", [SECTOR + 40, 2 * SECTOR + 33], ids=["header", "entries"])
def test_one_flipped_bit_and_the_other_copy_is_taken(byte: int) -> None:
    disk = sectors.gpt(SIZE, PARTS)
    disk[byte] ^= 1
    found, _reads = table(disk)
    assert [p.kind for p in found.partitions] == [sectors.EFI, sectors.LINUX]
    assert found.faults == (Fault.PRIMARY,)
    disk[-SECTOR + 16] ^= 1
    found, _reads = table(disk)
    assert (found.scheme, found.partitions, found.faults) == ("gpt", (), (Fault.GPT,))


def test_a_copy_that_belongs_elsewhere_is_not_taken_for_the_first() -> None:
    disk = sectors.gpt(SIZE, PARTS)
    disk[SECTOR : 2 * SECTOR] = disk[-SECTOR:]
    assert table(disk)[0].faults == (Fault.PRIMARY,)


def test_a_table_of_a_size_that_can_not_be_is_not_read() -> None:
    disk = sectors.gpt(SIZE, PARTS)
    head = disk[SECTOR : SECTOR + 92]
    struct.pack_into("<I", head, 80, 1 << 24)
    struct.pack_into("<I", head, 16, 0)
    struct.pack_into("<I", head, 16, zlib.crc32(head))
    disk[SECTOR : SECTOR + 92] = head
    found, reads = table(disk, 1 << 40)
    assert found.faults == (Fault.GPT,)
    assert max(length for _at, length in reads) < 64 << 10


def test_a_partition_that_ends_behind_the_disk() -> None:
    found, _reads = table(sectors.mbr([(0x83, 2048, SIZE // SECTOR, True)]))
    assert found.faults == (Fault.BEYOND,)
    found, _reads = table(sectors.mbr([(0x83, 2048, SIZE // SECTOR - 2048, True)]))
    assert found.faults == ()


@pytest.mark.parametrize(
    "data", [b"", bytes(SIZE), sectors.ntfs(), sectors.bitlocker(), sectors.ext(), b"\xff" * 510 + b"\x55\xaa"]
)
def test_what_has_no_table(data: bytes) -> None:
    assert table(data)[0] == Table("")


FAT32 = (b"\xeb\x58\x90mkfs.fat".ljust(82, b"\0") + b"FAT32   ").ljust(510, b"\0") + b"\x55\xaa"
CONTENTS = {
    "luks1": sectors.luks(1),
    "luks2": sectors.luks(2),
    "bitlocker": sectors.bitlocker(),
    "ntfs": sectors.ntfs(),
    "refs": (b"\0\0\0ReFS".ljust(510, b"\0") + b"\x55\xaa"),
    "ext": sectors.ext(),
    "lvm": sectors.lvm(),
    "fat": FAT32,
    "xfs": b"XFSB",
    "swap": bytes(4086) + b"SWAPSPACE2",
    "suspended": bytes(4086) + b"S1SUSPEND\0",
    "btrfs": bytes(0x10040) + b"_BHRfS_M",
    "md": bytes(4096) + b"\xfc\x4e\x2b\xa9",
    "zfs": bytes(16 << 10) + b"\x01\x01" + bytes(50) + b"pool_guid",
    "zero": bytes(100),
    "": b"something else",
}


@pytest.mark.parametrize(("word", "data"), CONTENTS.items())
def test_contents_by_their_first_bytes(word: str, data: bytes) -> None:
    assert signatures.identify(data) == word
    assert signatures.identify(data[: signatures.NEEDED].ljust(signatures.NEEDED, b"\0")) == word or word == ""
    # One bit less of its mark, and it is not taken for it.
    if word not in {"zero", ""}:
        assert signatures.identify(bytes(b & 0x7F if b & 0x80 else b & ~0x40 for b in data)) != word


def test_bitlocker_on_a_disk_to_go() -> None:
    guid = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")
    sector = (b"\xeb\x58\x90MSWIN4.1".ljust(82, b"\0") + b"FAT32   ").ljust(424, b"\0") + guid
    assert signatures.identify(sector.ljust(510, b"\0") + b"\x55\xaa") == "bitlocker"


def test_free_space() -> None:
    assert signatures.free_bytes(sectors.ext((1 << 32) + 3), "ext") == ((1 << 32) + 3) * 4096
    assert signatures.free_bytes(sectors.ext(3), "ext") == 3 * 4096
    assert signatures.free_bytes(sectors.ext(3), "ntfs") is None
    assert signatures.free_bytes(b"", "ext") is None


def volume(data: bytes) -> tuple[ntfs.Volume, int]:
    disk = Counted(data)
    return ntfs.look(disk.read, disk.size), len(disk.reads)


@pytest.mark.parametrize("in_blocks", [False, True])
@pytest.mark.parametrize(
    ("mark", "asleep"), [(b"hibr", True), (b"HIBR", True), (b"wake", False), (b"WAKE", False), (b"", False)]
)
def test_the_hibernation_file_of_windows(mark: bytes, asleep: bool, in_blocks: bool) -> None:
    found, reads = volume(sectors.ntfs(asleep=mark, in_blocks=in_blocks, others=3))
    assert found == ntfs.Volume(dirty=False, hibernated=asleep)
    assert reads == 4 + in_blocks


def test_without_a_hibernation_file() -> None:
    assert volume(sectors.ntfs(dirty=True, others=2))[0] == ntfs.Volume(dirty=True, hibernated=False)


@pytest.mark.parametrize("others", range(24))
def test_a_name_that_lies_over_the_end_of_a_sector(others: int) -> None:
    assert volume(sectors.ntfs(asleep=b"hibr", in_blocks=True, others=others))[0].hibernated is True


def test_the_file_s_record_in_another_piece_of_the_table() -> None:
    assert volume(sectors.ntfs(asleep=b"hibr", torn=True))[0].hibernated is True


def test_what_is_not_seen_is_no_answer() -> None:
    assert volume(sectors.ntfs(asleep=b"hibr", stream=True))[0].hibernated is None
    assert volume(sectors.ntfs(asleep=b"hibr", in_blocks=True, index_size=1 << 20, dirty=True))[0] == ntfs.Volume(
        True, None
    )


def test_large_clusters_are_powers_of_two() -> None:
    boot = bytearray(sectors.ntfs()[:512])
    boot[13] = 256 - 8
    disk = Counted(boot, 8 * MIB)
    with pytest.raises(ntfs.NotReadable):
        ntfs.look(disk.read, disk.size)
    assert disk.reads[1][0] == 4 * 256 * 512


def test_a_name_that_no_longer_leads_to_the_file_is_no_answer() -> None:
    assert volume(sectors.ntfs(asleep=b"hibr", sequence=2))[0].hibernated is None


def test_a_record_that_was_not_written_whole_is_not_believed() -> None:
    data = bytearray(sectors.ntfs(asleep=b"hibr"))
    data[4 * 4096 + 3 * 1024 + 510] ^= 1
    with pytest.raises(ntfs.NotReadable):
        volume(bytes(data))


_MANY = settings(max_examples=60, deadline=500, suppress_health_check=[HealthCheck.data_too_large])

# Where a table or a record lies in one of the disks.
_PLACES = st.integers(0, 1100) | st.integers(16_000, 42_000) | st.integers(163_840, 164_400)


@_MANY
@given(
    st.sampled_from(["mbr", "gpt", "ntfs"]),
    st.lists(st.tuples(_PLACES, st.binary(min_size=1, max_size=16)), max_size=20),
    st.sampled_from([100, 513, 20_000, MIB]),
)
def test_whatever_the_bytes_are(base: str, changes: list[tuple[int, bytes]], size: int) -> None:
    made = {"mbr": chained((2048, [(0x83, 8, 100, False), (0x05, 1000, 500, False)])), "gpt": sectors.gpt(MIB, PARTS[:1]),
            "ntfs": sectors.ntfs(asleep=b"hibr", in_blocks=True)}  # fmt: skip
    data = bytearray(made[base][:MIB])
    for at, new in changes:
        data[at : at + len(new)] = new
    disk = Counted(data[:size], size)
    parse(disk.read, size)
    signatures.free_bytes(disk.data, signatures.identify(disk.data))
    with contextlib.suppress(ntfs.NotReadable):
        ntfs.look(disk.read, size)
    assert len(disk.reads) < 80


@_MANY
@given(st.binary(max_size=4096))
def test_random_bytes(data: bytes) -> None:
    marked = data.ljust(512, b"\0")[:510] + b"\x55\xaa" + data[512:]
    disk = Counted(marked)
    assert parse(disk.read, disk.size).scheme in {"", "mbr", "gpt"}
    signatures.free_bytes(data, "ext")
    signatures.free_bytes(data, "xfs")
    with pytest.raises(ntfs.NotReadable):
        ntfs.look(disk.read, disk.size)
