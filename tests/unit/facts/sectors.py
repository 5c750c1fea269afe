"""Disks as bytes: partition tables and an NTFS volume, written after the layouts that the parsers name."""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Sequence

SECTOR = 512
MIB = 1 << 20
BASIC_DATA = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
EFI = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
BIOS_BOOT = "21686148-6449-6e6f-744e-656564454649"
RESERVED = "e3c9e316-0b5c-4db8-817d-f92df00215ae"
LDM_DATA = "af9b60a0-1431-4f62-bc68-3311714a69ad"
SPACES = "e75caf8f-f680-4cee-afa3-b001e56efc2d"


class Counted:
    """A disk that counts how often it is read, and is never read behind its end."""

    def __init__(self, data: bytes | bytearray, size: int | None = None) -> None:
        self.data, self.size = bytes(data), size or len(data)
        self.reads: list[tuple[int, int]] = []

    def read(self, offset: int, length: int) -> bytes:
        assert 0 <= offset <= offset + length <= self.size, (offset, length)
        self.reads.append((offset, length))
        return self.data[offset : offset + length].ljust(length, b"\0")


def mbr(entries: Sequence[tuple[int, int, int, bool]], signature: bytes = b"\x55\xaa") -> bytes:
    """A first sector; entries are (type, start, count, active) in sectors."""
    table = b"".join(struct.pack("<B3xB3xII", 0x80 * a, k, s, n) for k, s, n, a in entries)
    return bytes(446) + table.ljust(64, b"\0") + signature


def gpt(size: int, parts: Sequence[tuple[str, int, int, int]], sector: int = SECTOR) -> bytearray:
    """A whole disk; parts are (type, first, last, attributes) in sectors."""
    disk = bytearray(size)
    last = size // sector - 1
    disk[:SECTOR] = mbr([(0xEE, 1, min(last, 0xFFFF_FFFF), False)])
    entries = b"".join(
        struct.pack("<16s16sQQQ72x", uuid.UUID(k).bytes_le, uuid.uuid4().bytes, b, e, a) for k, b, e, a in parts
    ).ljust(128 * 128, b"\0")
    across = len(entries) // sector
    for here, other, start in ((1, last, 2), (last, 1, last - across)):
        head = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, here, other, 2 + across, last - across - 1,
                           bytes(16), start, 128, 128, zlib.crc32(entries))  # fmt: skip
        head = head[:16] + struct.pack("<I", zlib.crc32(head)) + head[20:]
        disk[here * sector : here * sector + len(head)] = head
        disk[start * sector : start * sector + len(entries)] = entries
    return disk


_CLUSTER, _RECORD = 4096, 1024


def _record(number: int, *attributes: bytes, sequence: int = 1, magic: bytes = b"FILE", size: int = _RECORD) -> bytes:
    body = b"".join(attributes) + b"\xff\xff\xff\xff\0\0\0\0"
    head = struct.pack(
        "<4sHHQHHHHIIQHHI", magic, 48, size // 512 + 1, 0, sequence, 1, 56, 1, 56 + len(body), size, 0, 9, 0, number
    )
    return _sealed(bytearray(head.ljust(56, b"\0") + body), size)


def _sealed(data: bytearray, size: int) -> bytes:
    """The last two bytes of each 512 are kept elsewhere, and a mark stands there."""
    data.extend(bytes(size - len(data)))
    (at,) = struct.unpack_from("<H", data, 4)
    struct.pack_into("<H", data, at, 7)
    for i in range(1, size // 512 + 1):
        data[at + 2 * i : at + 2 * i + 2] = data[512 * i - 2 : 512 * i]
        struct.pack_into("<H", data, 512 * i - 2, 7)
    return bytes(data)


def _resident(kind: int, value: bytes, name: str = "") -> bytes:
    text = name.encode("utf-16-le")
    start = 24 + len(text) + (-len(text) % 8)
    length = start + len(value) + (-len(value) % 8)
    head = struct.pack("<IIBBHHHIHH", kind, length, 0, len(name), 24, 0, 0, len(value), start, 0)
    return ((head + text).ljust(start, b"\0") + value).ljust(length, b"\0")


def _elsewhere(kind: int, cluster: int, count: int, size: int, name: str = "") -> bytes:
    text = name.encode("utf-16-le")
    start = 64 + len(text)
    runs = struct.pack("<BBHB", 0x21, count, cluster, 0)
    length = start + len(runs) + (-(start + len(runs)) % 8)
    head = struct.pack(
        "<IIBBHHHQQHHIQQQ",
        kind,
        length,
        1,
        len(name),
        64,
        0,
        0,
        0,
        count - 1,
        start,
        0,
        0,
        count * _CLUSTER,
        size,
        size,
    )
    return (head + text + runs).ljust(length, b"\0")


def _entry(record: int, name: str, sequence: int = 1) -> bytes:
    key = bytes(64) + bytes([len(name), 1]) + name.encode("utf-16-le")
    length = 16 + len(key) + (-len(key) % 8)
    return (struct.pack("<QHHHH", record | sequence << 48, length, len(key), 0, 0) + key).ljust(length, b"\0")


def _node(entries: bytes, more: int = 0) -> bytes:
    body = entries + struct.pack("<QHHHH", 0, 16, 0, 2, 0)
    return (
        struct.pack("<IIII", 16 + more, 16 + more + len(body), 16 + more + len(body), more and 1) + bytes(more) + body
    )


def ntfs(
    *,
    asleep: bytes | None = None,
    dirty: bool = False,
    in_blocks: bool = False,
    sequence: int = 1,
    others: int = 0,
    torn: bool = False,
    stream: bool = False,
    index_size: int = 4096,
) -> bytes:
    """A volume of 1 MiB: $MFT at cluster 4, the root's index at 40, hiberfil.sys (record 24), which begins with `asleep`, at 50.

    `torn`: the part of $MFT with that record lies before the rest. `stream`: these bytes are in a named stream of the file alone.
    """
    volume = bytearray(MIB)
    boot = struct.pack("<3s8sHB", b"\xeb\x52\x90", b"NTFS    ", 512, _CLUSTER // 512).ljust(40, b"\0")
    boot += struct.pack("<QQQb3xb", MIB // 512, 4, 100, -10, 1)
    volume[:512] = boot.ljust(510, b"\0") + b"\x55\xaa"
    names = b"".join(_entry(30 + i, f"file{i}.txt") for i in range(others))
    names += _entry(24, "hiberfil.sys") if asleep is not None else b""
    if in_blocks:
        index = [
            _resident(0x90, struct.pack("<IIIB3x", 0x30, 1, 4096, 1) + _node(b""), "$I30"),
            _elsewhere(0xA0, 40, 1, index_size, "$I30"),
        ]
        block = bytearray(struct.pack("<4sHHQQ", b"INDX", 40, 9, 0, 0) + _node(names, 24))
        volume[40 * _CLUSTER : 41 * _CLUSTER] = _sealed(block, 4096)
    else:
        index = [_resident(0x90, struct.pack("<IIIB3x", 0x30, 1, 4096, 1) + _node(names), "$I30")]
    table = _elsewhere(0x80, 4, 16, 16 * _CLUSTER)
    if torn:
        # Six clusters from the fourth, and one that lies two before that.
        table = table[:64] + b"\x11\x06\x04\x11\x01\xfe\0\0"
    content = _resident(0x80, asleep or b"", "old") if stream else _elsewhere(0x80, 50, 1, _CLUSTER)
    records = {
        0: _record(0, table),
        3: _record(3, _resident(0x70, struct.pack("<QBBH", 0, 3, 1, int(dirty)))),
        5: _record(5, *index),
        24: _record(24, content, sequence=sequence),
    }
    for number, data in records.items():
        at = 2 * _CLUSTER if torn and number == 24 else 4 * _CLUSTER + number * _RECORD
        volume[at : at + _RECORD] = data
    volume[50 * _CLUSTER : 50 * _CLUSTER + 4] = (asleep or b"").ljust(4, b"\0")
    return bytes(volume)


def luks(version: int) -> bytes:
    """The first bytes of a LUKS header."""
    return (b"LUKS\xba\xbe" + version.to_bytes(2)).ljust(4096, b"\0")


def bitlocker() -> bytes:
    """A boot sector of BitLocker."""
    return (b"\xeb\x58\x90-FVE-FS-".ljust(510, b"\0") + b"\x55\xaa").ljust(4096, b"\0")


def ext(free: int = 100_000) -> bytes:
    """The start of an ext4 with blocks of 4 KiB, `free` of them free."""
    block = bytearray(2048)
    struct.pack_into("<I", block, 12, free & 0xFFFF_FFFF)
    struct.pack_into("<I", block, 96, 0x80)
    struct.pack_into("<I", block, 0x158, free >> 32)
    struct.pack_into("<I", block, 24, 2)
    block[56:58] = b"\x53\xef"
    return bytes(1024) + bytes(block)


def lvm() -> bytes:
    """The label of an LVM2 physical volume."""
    return bytes(512) + (b"LABELONE" + bytes(16) + b"LVM2 001").ljust(3584, b"\0")
