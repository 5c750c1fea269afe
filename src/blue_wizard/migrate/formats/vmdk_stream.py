"""streamOptimized VMDK: grains that are compressed one by one, with a directory behind them or before them.

Read at random from a file, or in one pass from a pipe. Source: VMware, Virtual Disk Format 1.1 (hosted sparse extents, compressed
grains, stream-optimized extents with markers).
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Generator, Iterator
from itertools import pairwise
from typing import BinaryIO

from blue_wizard.errors import StepFailed
from blue_wizard.facts import vmdk_descriptor
from blue_wizard.migrate.formats import image_format
from blue_wizard.migrate.formats.base import PACKED, ZERO, Image, Run
from blue_wizard.migrate.formats.family import Family
from blue_wizard.migrate.formats.inflate import PackedError, deflated
from blue_wizard.migrate.formats.vmdk_header import AT_END, SECTOR, Header
from blue_wizard.migrate.formats.window import Tables, Window, damaged
from blue_wizard.text import _

__all__ = ["VmdkStream", "pieces"]

_END, _TABLE, _DIRECTORY, _FOOTER = range(4)
_HEAD_LIMIT = 64 << 20


class VmdkStream(Image):
    """A streamOptimized VMDK in a file that can be read at random."""

    format = "vmdk"

    def __init__(self, window: Window, header: Header) -> None:
        super().__init__(window, header.capacity * SECTOR)
        self._header = header
        self._grain = header.grain * SECTOR
        self._tables = Tables(window, "I", "little", limit=4 << 20)
        self._directory = header.read_directory(window, self._tables)

    def runs(self, offset: int, length: int) -> Iterator[Run]:
        """Grain by grain; tables that are not there are skipped as one."""
        grain, entries, end = self._grain, self._header.entries, offset + length
        while offset < end:
            table_at = self._directory[offset // (grain * entries)]
            stop = min(end, (offset // (grain * entries) + 1) * grain * entries)
            table = self._tables.get(table_at * SECTOR, entries) if table_at else None
            if table is None:
                yield Run(offset, stop - offset, ZERO)
                offset = stop
                continue
            while offset < stop:
                number, skip = divmod(offset, grain)
                here = min(stop - offset, grain - skip)
                at = table[number % entries]
                if at < self._header.first_grain:
                    yield Run(offset, here, ZERO)
                else:
                    yield Run(offset, here, PACKED, at, skip)
                offset += here

    def unpack(self, run: Run) -> bytes:
        """A grain. Its marker has to say that it is this one: two entries for one grain are noticed here."""
        number = (run.offset - run.skip) // SECTOR
        where, size = self._marker(run.at)
        if where != number:
            raise self.damaged(
                _("the grain of sector {one} stands where {other} should").format(one=where, other=number)
            )
        data = self.window.near(run.at * SECTOR + 12, size)
        if len(data) < size:
            raise self.damaged(_("the file ends at {size}").format(size=self.window.size))
        return _inflated(data, self._grain, min(self._grain, self._size - number * SECTOR), number, self.window.name)

    def _marker(self, at: int) -> tuple[int, int]:
        """(first sector of the disk, compressed size in bytes) of the grain at that sector of the file."""
        head = self.window.near(at * SECTOR, 12)
        if len(head) < 12:
            raise self.damaged(_("the file ends at {size}").format(size=self.window.size))
        where, size = struct.unpack("<QI", head)
        if not 0 < size <= 2 * self._grain:
            raise self.damaged(_("a grain of {size} bytes").format(size=size))
        return where, size

    def check(self) -> None:
        """All tables, and the marker of the grain that lies last; the other markers are read with their grains."""
        last = 0
        seen = set()
        for table_at in filter(None, self._directory):
            if table_at in seen:
                raise self.damaged(_("two entries of its directory name one table"))
            seen.add(table_at)
            table = self._tables.read(table_at * SECTOR, self._header.entries)
            if table is None:
                continue
            named = sorted(filter(lambda at: at >= self._header.first_grain, table))
            if any(a == b for a, b in pairwise(named)):
                raise self.damaged(_("two grains lie in one place"))
            last = max(last, named[-1] if named else 0)
        if last:
            _where, size = self._marker(last)
            if last * SECTOR + 12 + size > self.window.size:
                detail = _("its tables reach to byte {end}, the file ends at {size}")
                raise self.damaged(detail.format(end=last * SECTOR + 12 + size, size=self.window.size))


def _inflated(data: bytes | memoryview, grain: int, needed: int, number: int, name: str) -> bytes:
    try:
        found = deflated(data, grain)
    except PackedError as e:
        raise damaged(name, _("the grain of sector {number}: {error}").format(number=number, error=e)) from e
    if len(found) < needed:
        raise damaged(name, _("the grain of sector {number}: {error}").format(number=number, error=len(found)))
    return found


@image_format("vmdk")
def open_stream(window: Window, _family: Family) -> Image | None:
    """A streamOptimized VMDK without parent; other VMDKs are left to QEMU."""
    header = Header.parse(window.read_some(0, SECTOR), window.name)
    if header is None or not header.streamed or vmdk_descriptor.parent(header.text(window)):
        return None
    if header.directory == AT_END:
        # What follows the footer is the end marker. Writers that put the directory first (QEMU) write neither: there the tables
        # say how long the file has to be.
        footer = Header.parse(window.read_some(window.size - 2 * SECTOR, SECTOR), window.name)
        ended = window.read_some(window.size - SECTOR, SECTOR) == bytes(SECTOR)
        if (
            not ended
            or footer is None
            or not footer.streamed
            or footer.directory in {0, AT_END}
            or footer.capacity != header.capacity
        ):
            raise damaged(window.name, _("no end-of-stream marker"))
        header = footer
    return VmdkStream(window, header)


def _table(data: bytes, at: int, entries: int) -> array[int]:
    """A grain table of a stream; 1, which stands for a grain of zeroes, is none. Raises struct.error."""
    return array("I", (place if place > 1 else 0 for place in struct.unpack_from(f"<{entries}I", data, at)))


def pieces(stream: BinaryIO, name: str, size: int | None = None) -> Iterator[tuple[int, bytes]]:
    """The grains of a streamOptimized VMDK that can be read but once, as (offset, bytes), in the stream's own order.

    `size` is what the disk has to have, in bytes.

    What is not given reads as zeroes. The end is given only when the stream was whole: all grains that its tables name were
    there, each once, and its end is marked. Raises StepFailed; what was given before it is then worth nothing.
    """
    return _Pieces(stream, name, size).run()


class _Pieces:
    """One pass over a stream: markers, each before its grain or its table."""

    def __init__(self, stream: BinaryIO, name: str, size: int | None) -> None:
        self._stream, self._name, self._wanted = stream, name, size
        self._sector = 0
        self._open: dict[int, array[int]] = {}
        """The places of the grains that have been given, table by table, until the stream's own table has confirmed them."""
        self._closed: set[int] = set()

    def run(self) -> Iterator[tuple[int, bytes]]:
        header = Header.parse(self._take(1), self._name)
        if header is None or not header.streamed:
            raise StepFailed(
                _("{file} is no streamOptimized VMDK.").format(file=self._name),
                _("Other disks can't be read in one pass: copy the file to a disk first."),
            )
        if self._wanted is not None and header.capacity * SECTOR != self._wanted:
            text = _("it is the stream of a disk of {now} bytes, not of {then}")
            raise damaged(self._name, text.format(now=header.capacity * SECTOR, then=self._wanted))
        if header.overhead * SECTOR > _HEAD_LIMIT or header.overhead < 1:
            raise damaged(self._name, _("a head of {size} sectors").format(size=header.overhead))
        head = self._take(header.overhead - 1)
        ended = yield from self._grains(header)
        if header.directory != AT_END:
            self._compare(header, bytes(SECTOR) + head)
        elif not ended:
            raise damaged(self._name, _("no end-of-stream marker"))

    def _grains(self, header: Header) -> Generator[tuple[int, bytes], None, bool]:
        """All grains; the value is whether the stream's end was marked."""
        grain = header.grain * SECTOR
        footer = False
        at_end = header.directory == AT_END
        while True:
            place = self._sector
            sector = self._take(1, may_end=not at_end)
            if not sector:
                return False
            value, size, kind = struct.unpack_from("<QII", sector, 0)
            if size:
                if size > 2 * grain or value % header.grain or value >= header.capacity:
                    raise damaged(self._name, _("a grain of {size} bytes").format(size=size))
                self._note(header, value, place)
                rest = self._take(-(-(12 + size) // SECTOR) - 1)
                needed = min(grain, header.capacity * SECTOR - value * SECTOR)
                yield (
                    value * SECTOR,
                    _inflated((sector + rest)[12 : 12 + size], grain, needed, value, self._name)[:needed],
                )
            elif kind == _END:
                if at_end and (self._open or not footer):
                    raise damaged(self._name, _("its tables do not name the grains that it holds"))
                return True
            elif kind == _TABLE and value * SECTOR == -(-4 * header.entries // SECTOR) * SECTOR:
                table = _table(self._take(value), 0, header.entries)
                if at_end:
                    self._confirm(table)
            elif kind in {_DIRECTORY, _FOOTER} and value <= _HEAD_LIMIT // SECTOR:
                self._take(value)
                footer = footer or kind == _FOOTER
            else:
                raise damaged(self._name, _("a marker of kind {kind}").format(kind=kind))

    def _note(self, header: Header, value: int, place: int) -> None:
        """A grain is there. Raises StepFailed when it was already."""
        index, within = divmod(value // header.grain, header.entries)
        table = self._open.setdefault(index, array("I", bytes(4 * header.entries)))
        if index in self._closed or table[within] or place >= 1 << 32:
            raise damaged(self._name, _("the grain of sector {number} comes twice").format(number=value))
        table[within] = place

    def _confirm(self, table: array[int]) -> None:
        """A table of the stream names just the grains that came before it."""
        if not any(table):
            return
        # Writers put a table behind its grains, so it is nearly always the newest.
        index = next((i for i in reversed(self._open) if self._open[i] == table), None)
        if index is None:
            raise damaged(self._name, _("its tables do not name the grains that it holds"))
        del self._open[index]
        self._closed.add(index)

    def _compare(self, header: Header, head: bytes) -> None:
        """A head with tables (QEMU writes one) says which grains there have to be, and where."""
        if header.directory * SECTOR + 4 * header.tables > len(head):
            raise damaged(self._name, _("its directory lies behind its end"))
        try:
            for index, at in enumerate(struct.unpack_from(f"<{header.tables}I", head, header.directory * SECTOR)):
                named = _table(head, at * SECTOR, header.entries) if at else None
                found = self._open.get(index)
                if (named if named is not None and any(named) else None) != found:
                    raise damaged(self._name, _("its tables do not name the grains that it holds"))
        except struct.error as e:
            raise damaged(self._name, str(e)) from e

    def _take(self, sectors: int, *, may_end: bool = False) -> bytes:
        wanted, parts = sectors * SECTOR, []
        while wanted:
            try:
                part = self._stream.read(min(wanted, 1 << 20))
            except OSError as e:
                raise StepFailed(_("{file} can't be read: {error}").format(file=self._name, error=e)) from e
            if not part:
                break
            parts.append(part)
            wanted -= len(part)
        if wanted and not (may_end and not parts):
            raise damaged(
                self._name, _("the stream ends at {size}").format(size=(self._sector + sectors) * SECTOR - wanted)
            )
        self._sector += sectors
        return b"".join(parts)
