"""What the first sectors of a disk say: its partition table. Pure parsers over a `read(offset, length)`.

Layouts: MBR and chains of logical partitions as in the UEFI specification 2.10, chapter 5.2, and util-linux's libfdisk/src/dos.c;
GPT as in the UEFI specification 2.10, chapter 5.3; types of partitions as in util-linux's include/pt-gpt-partnames.h and
include/pt-mbr-partnames.h.
"""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from blue_wizard.facts import signatures

__all__ = [
    "BIOS_BOOT",
    "EFI",
    "LDM",
    "MICROSOFT_RESERVED",
    "STORAGE_SPACES",
    "Fault",
    "Partition",
    "Read",
    "Table",
    "parse",
]

Read = Callable[[int, int], bytes | bytearray]
"""Exactly these bytes of the disk; it is never asked for any beyond its end."""

EFI = frozenset({"ef", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"})
BIOS_BOOT = "21686148-6449-6e6f-744e-656564454649"
MICROSOFT_RESERVED = "e3c9e316-0b5c-4db8-817d-f92df00215ae"
LDM = frozenset({"42", "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3", "af9b60a0-1431-4f62-bc68-3311714a69ad"})
STORAGE_SPACES = "e75caf8f-f680-4cee-afa3-b001e56efc2d"

_SECTOR, _LARGE = 512, 4096
# The table's usual place is in it, also with large sectors: one read does for most disks.
_HEAD = _LARGE * 2 + (16 << 10)
_MOST_LOGICAL = 60
_MOST_ENTRIES = 256 << 10
_EXTENDED = {0x05, 0x0F, 0x85}
_PROTECTIVE = 0xEE


class Fault(StrEnum):
    """What is wrong with a table."""

    PRIMARY = "primary"  # the first of the two copies of a GPT
    GPT = "gpt"  # both of them
    LOGICAL = "logical"  # the chain of logical partitions
    BEYOND = "beyond"  # a partition ends behind the disk


@dataclass(frozen=True)
class Partition:
    """`kind` is the type: two hexadecimal digits of an MBR, or a GUID in small letters. `start` and `size` are in bytes.

    `active` says that a BIOS may start from it (the MBR's flag, or the GPT's attribute).
    """

    number: int
    start: int
    size: int
    kind: str
    active: bool = False


@dataclass(frozen=True)
class Table:
    """A partition table; `scheme` is ``gpt``, ``mbr``, or "" where there is none. `sector` is what it counts in."""

    scheme: str
    partitions: tuple[Partition, ...] = ()
    sector: int = _SECTOR
    faults: tuple[Fault, ...] = ()


def parse(read: Read, size: int) -> Table:
    """The table of a disk of `size` bytes. Raises nothing but what `read` raises."""
    head = bytes(read(0, min(size, _HEAD)))
    if len(head) < _SECTOR or head[510:512] != b"\x55\xaa" or signatures.identify(head) in signatures.BOOT_SECTORS:
        return Table("")
    entries = [struct.unpack_from("<B3xB3xII", head, 446 + 16 * i) for i in range(4)]
    if any(flag not in (0, 0x80) for flag, _kind, _start, _count in entries):
        return Table("")
    if any(kind == _PROTECTIVE for _flag, kind, _start, _count in entries):
        return _checked(_gpt(read, size, head), size)
    return _checked(_mbr(read, size, entries), size)


def _checked(table: Table, size: int) -> Table:
    beyond = any(p.start + p.size > size for p in table.partitions)
    return Table(table.scheme, table.partitions, table.sector, (*table.faults, *[Fault.BEYOND] * beyond))


def _mbr(read: Read, size: int, entries: list[tuple[int, ...]]) -> Table:
    found: list[Partition] = []
    faults: list[Fault] = []
    logical: list[Partition] = []
    for i, (flag, kind, start, count) in enumerate(entries):
        if not kind or not count:
            continue
        if kind in _EXTENDED:
            more, whole = _chain(read, size, start)
            logical += more
            faults += [Fault.LOGICAL] * (not whole)
            continue
        found.append(Partition(i + 1, start * _SECTOR, count * _SECTOR, f"{kind:02x}", flag == 0x80))
    numbered = [Partition(5 + i, p.start, p.size, p.kind) for i, p in enumerate(logical)]
    return Table("mbr", (*found, *numbered), _SECTOR, tuple(dict.fromkeys(faults)))


def _chain(read: Read, size: int, base: int) -> tuple[list[Partition], bool]:
    """The logical partitions, and whether their chain could be followed to its end."""
    found: list[Partition] = []
    at, seen = base, set[int]()
    while len(seen) < _MOST_LOGICAL and at not in seen and (at + 1) * _SECTOR <= size:
        seen.add(at)
        sector = read(at * _SECTOR, _SECTOR)
        if len(sector) < _SECTOR or sector[510:512] != b"\x55\xaa":
            return found, False
        (kind, start, count), (link, follows, _n) = (
            struct.unpack_from("<4xB3xII", sector, 446 + 16 * i) for i in range(2)
        )
        if kind and count:
            found.append(Partition(0, (at + start) * _SECTOR, count * _SECTOR, f"{kind:02x}"))
        if link not in _EXTENDED or not follows:
            return found, True
        at = base + follows
    return found, False


def _gpt(read: Read, size: int, head: bytes) -> Table:
    for sector in (_SECTOR, _LARGE):
        found = _copy(read, size, head[sector : 2 * sector], sector, 1, head)
        if found is not None:
            return Table("gpt", found, sector)
    for sector in (_SECTOR, _LARGE):
        last = size // sector - 1
        if last > 1:
            found = _copy(read, size, bytes(read(last * sector, sector)), sector, last, b"")
            if found is not None:
                return Table("gpt", found, sector, (Fault.PRIMARY,))
    return Table("gpt", (), _SECTOR, (Fault.GPT,))


def _copy(read: Read, size: int, header: bytes, sector: int, place: int, head: bytes) -> tuple[Partition, ...] | None:
    """The partitions of one copy of the table, None when it is damaged or not there. `head` are bytes that are read already."""
    if len(header) < 92 or header[:8] != b"EFI PART":
        return None
    length, checksum = struct.unpack_from("<II", header, 12)
    if not 92 <= length <= len(header) or zlib.crc32(header[:16] + bytes(4) + header[20:length]) != checksum:
        return None
    (here,) = struct.unpack_from("<Q", header, 24)
    first, count, each, entries_checksum = struct.unpack_from("<QIII", header, 72)
    start, total = first * sector, count * each
    if here != place or each < 128 or total > _MOST_ENTRIES or start + total > size:
        return None
    data = head[start : start + total] if start + total <= len(head) else bytes(read(start, total))
    if zlib.crc32(data) != entries_checksum:
        return None
    found = []
    for i in range(count):
        kind, _own, begin, end, attributes = struct.unpack_from("<16s16sQQQ", data, i * each)
        if any(kind) and end >= begin:
            guid = str(uuid.UUID(bytes_le=kind))
            found.append(Partition(i + 1, begin * sector, (end + 1 - begin) * sector, guid, bool(attributes & 4)))
    return tuple(found)
