"""Sparse VMDK in one file: grains that lie as they are, wherever two levels of tables say.

QEMU reads it grain by grain. Source: VMware, Virtual Disk Format 1.1 (hosted sparse extents).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

from blue_wizard.facts import vmdk_descriptor
from blue_wizard.migrate.formats import image_format
from blue_wizard.migrate.formats.base import PLAIN, ZERO, Image, Run
from blue_wizard.migrate.formats.family import Family
from blue_wizard.migrate.formats.vmdk_header import AT_END, SECTOR, Header
from blue_wizard.migrate.formats.window import Tables, Window, damaged
from blue_wizard.text import _

__all__ = ["VmdkSparse", "reach"]


class VmdkSparse(Image):
    """A sparse extent: a whole disk, or one of the pieces of a split one."""

    format = "vmdk"

    def __init__(self, window: Window, header: Header) -> None:
        """Raises StepFailed when its directory can't be read."""
        super().__init__(window, header.capacity * SECTOR)
        self._header = header
        self._grain = header.grain * SECTOR
        self._span = self._grain * header.entries
        self._tables = Tables(window, "I", "little", limit=4 << 20)
        self._directory = header.read_directory(window, self._tables)

    def runs(self, offset: int, length: int) -> Iterator[Run]:
        """Grains that follow each other in the file are one run; so are grains, and whole tables, that are not there."""
        end = offset + length
        while offset < end:
            stop = min(end, (offset // self._span + 1) * self._span)
            table = self._table(offset // self._span)
            if table is None:
                yield Run(offset, stop - offset, ZERO)
            else:
                yield from self._in_table(table, offset, stop)
            offset = stop

    def _in_table(self, table: array[int], offset: int, end: int) -> Iterator[Run]:
        first, kind, at = offset, -1, 0
        while offset < end:
            number, skip = divmod(offset, self._grain)
            entry = table[number % self._header.entries]
            now = PLAIN if entry >= self._header.first_grain else ZERO
            place = entry * SECTOR + skip
            if now != kind or (now == PLAIN and place != at + offset - first):
                if kind >= 0:
                    yield Run(first, offset - first, kind, at)
                first, kind, at = offset, now, place if now == PLAIN else 0
            offset += min(end - offset, self._grain - skip)
        yield Run(first, end - first, kind, at)

    def _table(self, number: int) -> array[int] | None:
        place = self._directory[number]
        return self._tables.get(place * SECTOR, self._header.entries) if place else None

    def reach(self) -> int:
        """The end of the grain that lies last, in bytes. Raises StepFailed when the tables can't be right."""
        # What lies far behind is no disk's; a bit for each grain of a file of any length is too much memory.
        limit = min(self.window.size, 2 * self._size + (1 << 30))
        used = bytearray(limit // self._grain // 8 + 1)
        seen, last = set(), 0
        for number, place in enumerate(self._directory):
            if not place:
                continue
            if place in seen:
                raise self.damaged(_("two entries of its directory name one table"))
            seen.add(place)
            table = self._tables.read(place * SECTOR, self._header.entries)
            for i, entry in enumerate(table or ()):
                offset = number * self._span + i * self._grain
                if entry >= self._header.first_grain and offset < self._size:
                    self._mark(used, entry // self._header.grain)
                    last = max(last, entry * SECTOR + min(self._grain, self._size - offset))
        return last

    def _mark(self, used: bytearray, cell: int) -> None:
        """Two grains that begin within the length of one overlap."""
        byte, bit = divmod(cell, 8)
        if byte >= len(used):
            return
        if used[byte] & 1 << bit:
            raise self.damaged(_("two grains lie in one place"))
        used[byte] |= 1 << bit

    def check(self) -> None:
        """No grain lies behind the end, and no two in one place."""
        end = self.reach()
        if end > self.window.size:
            detail = _("its tables reach to byte {end}, the file ends at {size}")
            raise self.damaged(detail.format(end=end, size=self.window.size))


def _header(window: Window) -> Header | None:
    header = Header.parse(window.read_some(0, SECTOR), window.name)
    return None if header is None or header.streamed or header.directory in {0, AT_END} else header


@image_format("vmdk, sparse")
def open_sparse(window: Window, _family: Family) -> Image | None:
    """A sparse VMDK that is a disk by itself; a piece of a split disk, and one with a parent, are left to QEMU."""
    header = _header(window)
    if header is None:
        return None
    text = header.text(window)
    extents = [(e.kind, e.size) for e in vmdk_descriptor.parse(text)]
    if extents != [("SPARSE", header.capacity * SECTOR)] or vmdk_descriptor.parent(text):
        return None
    return VmdkSparse(window, header)


def reach(file: Path) -> int:
    """How far into its file a piece of a split VMDK reaches, in bytes.

    QEMU reads zeroes where such a file was cut off in a grain. Raises StepFailed when its tables can't be right.
    """
    window = Window(file)
    try:
        header = _header(window)
        if header is None:
            raise damaged(window.name, _("it is no sparse extent"))
        return VmdkSparse(window, header).reach()
    finally:
        window.close()
