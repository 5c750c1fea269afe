"""Disks that exist only in memory, and only where they hold something: readers and writers for tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from blue_wizard.migrate.extents import Extent
from blue_wizard.migrate.transfer.writer import Data, Done

__all__ = ["Disk", "reader_of"]

_PAGE = 4096


class Disk:
    """A disk of `size` bytes that stores the pages that were written: a Reader and a Writer that counts requests."""

    def __init__(self, size: int, name: str = "disk") -> None:
        self.name = name
        self.size = size
        self.pages: dict[int, bytearray] = {}
        self.map: list[Extent] | None = None
        self.reads: list[tuple[int, int]] = []
        self.writes: list[tuple[int, int]] = []
        self.zeroed: list[tuple[int, int]] = []
        self.flushes = 0
        self.seal = ""
        self._lock = threading.Lock()

    def stamp(self) -> str:
        return self.seal

    def put(self, offset: int, data: Data) -> None:
        """Store bytes, without counting it as a write."""
        at = 0
        while at < len(data):
            page, inside = divmod(offset + at, _PAGE)
            count = min(_PAGE - inside, len(data) - at)
            self.pages.setdefault(page, bytearray(_PAGE))[inside : inside + count] = data[at : at + count]
            at += count

    def get(self, offset: int, length: int) -> bytes:
        """Read bytes, without counting it as a read."""
        parts = []
        at = offset
        while at < offset + length:
            page, inside = divmod(at, _PAGE)
            count = min(_PAGE - inside, offset + length - at)
            found = self.pages.get(page)
            parts.append(bytes(found[inside : inside + count]) if found else bytes(count))
            at += count
        return b"".join(parts)

    def extents(self) -> Iterator[Extent]:
        if self.map is not None:
            yield from self.map
            return
        position = 0
        for page in sorted(self.pages):
            first, end = page * _PAGE, min(self.size, (page + 1) * _PAGE)
            if first > position:
                yield Extent(position, first - position, True)
            yield Extent(first, end - first, False)
            position = end
        if position < self.size:
            yield Extent(position, self.size - position, True)

    def read(self, offset: int, length: int) -> bytes:
        assert offset + length <= self.size
        with self._lock:
            self.reads.append((offset, length))
        return self.get(offset, length)

    def write(self, offset: int, data: Data, done: Done) -> None:
        assert offset + len(data) <= self.size
        with self._lock:
            self.writes.append((offset, len(data)))
            self.put(offset, data)
        done(None)

    def zero(self, offset: int, length: int, done: Done) -> None:
        with self._lock:
            self.zeroed.append((offset, length))
            for page in list(self.pages):
                first, end = max(offset, page * _PAGE), min(offset + length, (page + 1) * _PAGE)
                if first < end:
                    self.put(first, bytes(end - first))
        done(None)

    def flush(self) -> None:
        self.flushes += 1

    def close(self) -> None:
        pass


def reader_of(size: int, parts: Sequence[tuple[int, int, str]], seed: int = 0) -> Disk:
    """A disk whose map is these parts: (length, fill byte, "data" | "zeroes" | "hole"), the last one cut off at `size`.

    "zeroes" are zeroes that the map calls data; what is left over is a hole.
    """
    disk = Disk(size, "source")
    disk.map = []
    at = 0
    for length, fill, kind in parts:
        length = min(length, size - at)
        if length <= 0:
            break
        if kind == "data":
            disk.put(
                at,
                bytes((fill + i) % 255 + 1 for i in range(min(length, 7)))
                + bytes([fill % 255 + 1]) * max(0, length - 7),
            )
        disk.map.append(Extent(at, length, kind == "hole"))
        at += length
    if at < size:
        disk.map.append(Extent(at, size - at, True))
    return disk
