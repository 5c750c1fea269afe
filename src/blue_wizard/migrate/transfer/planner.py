"""From a map of extents to work: whole objects of the target, each with the pieces that have to be moved (pure)."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.extents import Extent
from blue_wizard.text import _

__all__ = ["OBJECT_SIZE", "Item", "Summary", "Tally", "checked", "items", "merged", "summary", "within"]

OBJECT_SIZE = 4 << 20
"""The size of an RBD object that Cinder makes (`rbd_store_chunk_size`), in bytes."""

# One request of this length is cheaper than two small ones with a hole of less between them.
_GAP = 64 << 10


@dataclass(frozen=True)
class Item:
    """The pieces of one object that have to be moved, in order. A piece with `zero` is not read: zeroes are written."""

    index: int
    pieces: tuple[Extent, ...]

    @property
    def moved(self) -> int:
        """How many bytes are read for it."""
        return sum(p.length for p in self.pieces if not p.zero)


@dataclass(frozen=True)
class Summary:
    """What a plan amounts to: bytes to read, items, and a fingerprint (hex) of all their places."""

    moved: int
    items: int
    fingerprint: str


def checked(extents: Iterable[Extent], size: int) -> Iterator[Extent]:
    """The extents of a disk of `size` bytes, cut off there. Raises StepFailed when they have gaps, overlap or end too early."""
    position = 0
    for extent in extents:
        if extent.offset != position or extent.length <= 0:
            raise StepFailed(_("The map of the disk is damaged at byte {offset}.").format(offset=position))
        if position >= size:
            return
        yield Extent(position, min(extent.length, size - position), extent.zero)
        position = extent.end
    if position < size:
        raise StepFailed(_("The map of the disk ends at byte {offset} of {size}.").format(offset=position, size=size))


def merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges (offset, length) in order, those that touch or overlap made one; empty ones are left out."""
    found: list[tuple[int, int]] = []
    for offset, length in sorted(r for r in ranges if r[1] > 0):
        if found and offset <= sum(found[-1]):
            first = found[-1][0]
            found[-1] = (first, max(sum(found[-1]), offset + length) - first)
        else:
            found.append((offset, length))
    return found


def within(extents: Iterable[Extent], ranges: Iterable[tuple[int, int]]) -> Iterator[Extent]:
    """The parts of the extents that lie in the ranges, which may overlap and come in any order."""
    wanted = iter(merged(ranges))
    current = next(wanted, None)
    for extent in extents:
        while current is not None and current[0] < extent.end:
            first, last = max(current[0], extent.offset), min(sum(current), extent.end)
            if first < last:
                yield Extent(first, last - first, extent.zero)
            if sum(current) > extent.end:
                break
            current = next(wanted, None)


def items(extents: Iterable[Extent], object_size: int, *, fresh: bool) -> Iterator[Item]:
    """The work that the extents (in order, gaps allowed) make, object by object.

    `fresh` says that the target reads as zeroes: zero extents are left out, and small holes between data are read with it.
    """
    index, pieces = -1, list[Extent]()
    for extent in extents:
        if fresh and extent.zero:
            continue
        at = extent.offset
        while at < extent.end:
            end = min(extent.end, (at // object_size + 1) * object_size)
            if at // object_size != index:
                if pieces:
                    yield Item(index, tuple(pieces))
                index, pieces = at // object_size, []
            _add(pieces, Extent(at, end - at, extent.zero), _GAP if fresh else 0)
            at = end
    if pieces:
        yield Item(index, tuple(pieces))


def _add(pieces: list[Extent], piece: Extent, gap: int) -> None:
    if pieces and pieces[-1].zero == piece.zero and piece.offset - pieces[-1].end <= gap:
        pieces[-1] = Extent(pieces[-1].offset, piece.end - pieces[-1].offset, piece.zero)
    else:
        pieces.append(piece)


class Tally:
    """Adds up a plan while its items go by."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._moved = self._count = 0

    def add(self, item: Item) -> None:
        """Count one more item."""
        for piece in item.pieces:
            self._digest.update(struct.pack("<QQ?", piece.offset, piece.length, piece.zero))
        self._moved += item.moved
        self._count += 1

    def summary(self) -> Summary:
        """What came by so far."""
        return Summary(self._moved, self._count, self._digest.hexdigest())


def summary(work: Iterable[Item]) -> Summary:
    """Go through a plan once. Two plans with one fingerprint move the same places."""
    tally = Tally()
    for item in work:
        tally.add(item)
    return tally.summary()
