"""VHDX files such as Hyper-V makes and qemu-img does not: differencing ones. Written as [MS-VHDX] says."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["linked", "summed", "vhdx", "written_of"]

MIB = 1 << 20
NONE, FIRST = uuid.UUID(int=0), uuid.UUID(int=1)


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), bit by bit."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _bit in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def written_of(file: Path) -> uuid.UUID:
    """The identity of a VHDX's content, which its children name."""
    with file.open("rb") as f:
        found = []
        for at in (64 << 10, 128 << 10):
            f.seek(at)
            data = f.read(4096)
            found.append((struct.unpack_from("<Q", data, 8)[0], uuid.UUID(bytes_le=data[32:48])))
    return max(found)[1]


def vhdx(
    blocks: Mapping[int, bytes | tuple[Sequence[bool], bytes]],
    size: int,
    *,
    block: int = MIB,
    sector: int = 512,
    written: uuid.UUID = FIRST,
    parent: Mapping[str, str] | None = None,
    log: uuid.UUID = NONE,
    states: Mapping[int, int] | None = None,
) -> bytes:
    """A VHDX. A block is its bytes, or (which sectors are there, its bytes) in a differencing disk."""
    out = bytearray(4 * MIB)
    out[:8] = b"vhdxfile"
    for i, at in enumerate((64 << 10, 128 << 10)):
        head = struct.pack("<4sIQ", b"head", 0, 7 + i) + uuid.UUID(int=3).bytes_le + written.bytes_le + log.bytes_le
        out[at : at + 4096] = summed((head + struct.pack("<HHIQ", 0, 1, MIB, MIB)).ljust(4096, b"\0"))
    ratio = (sector << 23) // block
    count = -(-size // block)
    entries = -(-count // ratio) * (ratio + 1)
    bat_length = _up(entries * 8, MIB)
    table = struct.pack("<4sIII", b"regi", 0, 2, 0)
    table += uuid.UUID("2DC27766-F623-4200-9D64-115E9BFD4A08").bytes_le + struct.pack("<QII", 3 * MIB, bat_length, 1)
    table += uuid.UUID("8B7CA206-4790-4B9A-B8FE-575F050F886E").bytes_le + struct.pack("<QII", 2 * MIB, MIB, 1)
    for at in (192 << 10, 256 << 10):
        out[at : at + (64 << 10)] = summed(table.ljust(64 << 10, b"\0"))
    items = [
        ("CAA16737-FA36-4D43-B3B6-33F0AA44E76B", struct.pack("<II", block, 2 if parent is not None else 0)),
        ("2FA54224-CD1B-4876-B211-5DBED83BF4B8", struct.pack("<Q", size)),
        ("BECA12AB-B2E6-4523-93EF-C309E000C746", FIRST.bytes_le),
        ("8141BF1D-A96F-4709-BA47-F233A8FAAB5F", struct.pack("<I", sector)),
        ("CDA348C7-445D-4471-9CC9-E9885251C556", struct.pack("<I", 4096)),
    ]
    if parent is not None:
        items.append(("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C", _locator(parent)))
    metadata = bytearray(MIB)
    metadata[:12] = b"metadata" + struct.pack("<HH", 0, len(items))
    place = 64 << 10
    for i, (kind, data) in enumerate(items):
        head = uuid.UUID(kind).bytes_le + struct.pack("<IIII", place, len(data), 4, 0)
        metadata[32 + 32 * i : 64 + 32 * i] = head
        metadata[place : place + len(data)] = data
        place += _up(len(data), 8)
    out[2 * MIB : 3 * MIB] = metadata
    out += bytes(bat_length - MIB)
    bat = [0] * entries
    bitmaps: dict[int, bytearray] = {}
    for number, content in blocks.items():
        chunk = number // ratio
        state, data = 6, content
        if isinstance(content, tuple):
            state, data = 7, content[1]
            bits = bitmaps.setdefault(chunk, bytearray(MIB))
            for i, ours in enumerate(content[0]):
                index = number % ratio * (block // sector) + i
                bits[index >> 3] |= ours << (index & 7)
        bat[number + chunk] = len(out) | state
        assert isinstance(data, bytes)
        out += data.ljust(block, b"\0")
    for number, state in (states or {}).items():
        bat[number + number // ratio] = state
    for chunk, bits in bitmaps.items():
        bat[chunk * (ratio + 1) + ratio] = len(out) | 6
        out += bits
    out[3 * MIB : 3 * MIB + 8 * entries] = struct.pack(f"<{entries}Q", *bat)
    return bytes(out)


def summed(data: bytes) -> bytes:
    """A structure with its checksum, CRC-32C over the whole with that field zero, in bytes 4 to 7."""
    return data[:4] + struct.pack("<I", crc32c(data)) + data[8:]


def _up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


def _locator(pairs: Mapping[str, str]) -> bytes:
    head = bytearray(uuid.UUID("B04AEFB7-D19E-4A81-B789-25B8E9445913").bytes_le + struct.pack("<HH", 0, len(pairs)))
    text = bytearray()
    start = 20 + 12 * len(pairs)
    for key, value in pairs.items():
        k, v = key.encode("utf-16-le"), value.encode("utf-16-le")
        head += struct.pack("<IIHH", start + len(text), start + len(text) + len(k), len(k), len(v))
        text += k + v
    return bytes(head + text)


def linked(written: uuid.UUID, relative: str) -> dict[str, str]:
    """What a child says of its parent."""
    return {"parent_linkage": f"{{{written}}}".upper(), "relative_path": relative}
