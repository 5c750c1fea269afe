"""Blocks that belong to an image in part: one bit a sector says whether it is the image's own or its parent's."""

from __future__ import annotations

from collections.abc import Iterator

from blue_wizard.migrate.formats.base import PARENT, PLAIN, Run

__all__ = ["MIRROR", "runs"]

MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""For `bytes.translate`: turns bitmaps whose highest bit comes first into ones whose lowest does."""


def runs(bits: bytes, offset: int, length: int, *, block: int, sector: int, at: int) -> Iterator[Run]:
    """The runs of `length` bytes from `offset`, all inside one block of `block` bytes; `at` is where `offset` lies in the file.

    A bit that is set, the lowest of each byte first, says that its sector is the image's own.
    """
    end, begin, first, kind = offset + length, offset, offset, -1
    while offset < end:
        index = offset % block // sector
        now = PLAIN if bits[index >> 3] >> (index & 7) & 1 else PARENT
        if now != kind and kind >= 0:
            yield Run(first, offset - first, kind, at + first - begin)
            first = offset
        kind = now
        offset = min(end, (offset // sector + 1) * sector)
    yield Run(first, end - first, kind, at + first - begin)
