"""How far into its file a VHDX reaches, by its own block allocation table (QEMU tells no block status of this format).

Source: [MS-VHDX] 2.2 (region table), 2.5 (block allocation table), 2.6 (metadata, file parameters).
"""

from __future__ import annotations

import struct
import uuid
from typing import BinaryIO

__all__ = ["last_byte"]

_REGION_TABLE = 192 << 10
_BAT = uuid.UUID("2DC27766-F623-4200-9D64-115E9BFD4A08").bytes_le
_METADATA = uuid.UUID("8B7CA206-4790-4B9A-B8FE-575F050F886E").bytes_le
_FILE_PARAMETERS = uuid.UUID("CAA16737-FA36-4D43-B3B6-33F0AA44E76B").bytes_le
_PRESENT = (6, 7)
_LIMIT = 64 << 20


def last_byte(f: BinaryIO) -> int:
    """The end of the last payload block that the table names. Raises ValueError when the tables can't be read."""
    f.seek(_REGION_TABLE)
    head = f.read(64 << 10)
    if head[:4] != b"regi":
        raise ValueError("no region table")
    (count,) = struct.unpack_from("<I", head, 8)
    regions = {}
    for i in range(min(count, 2047)):
        kind, offset, length, _required = struct.unpack_from("<16sQII", head, 16 + 32 * i)
        regions[kind] = (offset, length)
    if _BAT not in regions or _METADATA not in regions:
        raise ValueError("no block allocation table")
    block = _block_size(f, *regions[_METADATA])
    offset, length = regions[_BAT]
    f.seek(offset)
    table = f.read(min(length, _LIMIT))
    if len(table) < min(length, _LIMIT):
        raise ValueError("the block allocation table is cut off")
    entries = struct.unpack(f"<{len(table) // 8}Q", table[: len(table) // 8 * 8])
    return max(((e & ~0xFFFFF) + block for e in entries if e & 7 in _PRESENT), default=0)


def _block_size(f: BinaryIO, offset: int, length: int) -> int:
    f.seek(offset)
    table = f.read(min(length, 64 << 10))
    if table[:8] != b"metadata":
        raise ValueError("no metadata table")
    (count,) = struct.unpack_from("<H", table, 10)
    for i in range(min(count, 2047)):
        kind, at, _size = struct.unpack_from("<16sII", table, 32 + 32 * i)
        if kind == _FILE_PARAMETERS:
            f.seek(offset + at)
            return int(struct.unpack("<I", f.read(4))[0])
    raise ValueError("no block size")
