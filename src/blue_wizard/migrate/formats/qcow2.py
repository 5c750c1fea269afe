"""QCOW2, versions 2 and 3: plain and compressed clusters, zero clusters, backing files.

Encryption, external data files and extended L2 entries are left to QEMU. Source: QEMU, docs/interop/qcow2.txt.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from typing import NamedTuple

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.formats import image_format
from blue_wizard.migrate.formats.base import PACKED, PARENT, PLAIN, ZERO, Image, Run
from blue_wizard.migrate.formats.family import Family
from blue_wizard.migrate.formats.inflate import PackedError, deflated, zstd
from blue_wizard.migrate.formats.raw import Raw
from blue_wizard.migrate.formats.window import Tables, Window, believable, damaged
from blue_wizard.text import _

__all__ = ["Qcow2"]

_MAGIC = b"QFI\xfb"
_DIRTY, _COMPRESSION = 1 << 0, 1 << 3
_BACKING_FORMAT, _END = 0xE2792ACA, 0
_PLACE = 0x00FF_FFFF_FFFF_FE00
_PACKED, _ZERO = 1 << 62, 1
_MAX_L1 = 32 << 20
_ZLIB, _ZSTD = 0, 1


class _Header(NamedTuple):
    """`backing` is the name of the backing file, and `backing_format` its format, "" when the image does not say."""

    version: int
    bits: int
    size: int
    l1_size: int
    l1_at: int
    compression: int
    backing: str
    backing_format: str


class Qcow2(Image):
    """A QCOW2 image."""

    format = "qcow2"

    def __init__(self, window: Window, header: _Header, parent: Image | None) -> None:
        super().__init__(window, header.size, parent)
        self._header = header
        self._cluster = 1 << header.bits
        self._entries = self._cluster // 8
        self._tables = Tables(window, "Q", "big")
        needed = -(-header.size // (self._cluster * self._entries))
        if header.l1_size < needed or needed * 8 > _MAX_L1:
            raise self.damaged(_("a table of {count} entries").format(count=header.l1_size))
        self._l1 = self._tables.read(header.l1_at, needed) or array("Q", [0]) * needed
        self._shift = 62 - (header.bits - 8)

    def runs(self, offset: int, length: int) -> Iterator[Run]:
        """Plain clusters that follow each other in the file are one run; so are tables that are not there."""
        cluster, span, end = self._cluster, self._cluster * self._entries, offset + length
        absent = PARENT if self.parent else ZERO
        while offset < end:
            index = offset // span
            stop = min(end, (index + 1) * span)
            table = self._table(self._l1[index])
            if table is None:
                yield Run(offset, stop - offset, absent)
                offset = stop
                continue
            first, kind, at = offset, -1, 0
            while offset < stop:
                skip = offset % cluster
                here = min(stop - offset, cluster - skip)
                entry = table[offset // cluster % self._entries]
                if entry & _PACKED:
                    if kind >= 0:
                        yield Run(first, offset - first, kind, at)
                    yield Run(offset, here, PACKED, self._packed(entry)[0], skip, entry)
                    kind, first = -1, offset + here
                else:
                    now, place = self._plain(entry, absent)
                    # A range of zeroes, or of the parent, goes on as such; data only where it goes on in the file.
                    if now != kind or (now == PLAIN and place + skip != at + offset - first):
                        if kind >= 0:
                            yield Run(first, offset - first, kind, at)
                        first, kind, at = offset, now, place + skip
                offset += here
            if kind >= 0:
                yield Run(first, offset - first, kind, at)

    def _table(self, entry: int) -> array[int] | None:
        place = entry & _PLACE
        if not place:
            return None
        if place % self._cluster:
            raise self.damaged(_("a table at {offset}").format(offset=place))
        return self._tables.get(place, self._entries)

    def _plain(self, entry: int, absent: int) -> tuple[int, int]:
        place = entry & _PLACE
        if entry & _ZERO and self._header.version >= 3:
            return ZERO, 0
        if not place:
            return absent, 0
        if place % self._cluster:
            raise self.damaged(_("a cluster at {offset}").format(offset=place))
        return PLAIN, place

    def _packed(self, entry: int) -> tuple[int, int]:
        """(place, bytes at most) of a compressed cluster. The bytes are whole sectors, and may reach behind the end."""
        place = entry & ((1 << self._shift) - 1)
        sectors = (entry >> self._shift & ((1 << (62 - self._shift)) - 1)) + 1
        return place, sectors * 512 - place % 512

    def unpack(self, run: Run) -> bytes:
        """A compressed cluster."""
        place, size = self._packed(run.packed)
        data = self.window.near(place, size)
        try:
            if self._header.compression == _ZSTD:
                return zstd(data, self._cluster)
            return deflated(data, self._cluster, -12)
        except PackedError as e:
            raise self.damaged(_("the cluster at {offset}: {error}").format(offset=run.offset, error=e)) from e

    def check(self) -> None:
        """No cluster lies behind the end, and no two in one place."""
        # What lies far behind is of snapshots at best; a bit for each cluster of a file of any length is too much memory.
        limit = min(self.window.size, 2 * self._size + (1 << 30))
        used = bytearray(-(-limit // self._cluster) // 8 + 1)
        self._mark(used, 0, self._cluster)
        end = 0
        for i, entry in enumerate(self._l1):
            place = entry & _PLACE
            if not place:
                continue
            self._mark(used, place, self._cluster)
            first = i * self._entries * self._cluster
            for j, one in enumerate(self._table(entry) or ()):
                offset = first + j * self._cluster
                if one & _PACKED:
                    # Of the last sector the file need have but one byte.
                    place, size = self._packed(one)
                    end = max(end, place + max(1, size - 511))
                elif one & _PLACE and offset < self._size and self._plain(one, ZERO)[0] == PLAIN:
                    self._mark(used, one & _PLACE, min(self._cluster, self._size - offset))
        self._inside(end)
        if self.parent:
            self.parent.check()

    def _inside(self, end: int) -> None:
        if end > self.window.size:
            detail = _("its tables reach to byte {end}, the file ends at {size}")
            raise self.damaged(detail.format(end=end, size=self.window.size))

    def _mark(self, used: bytearray, place: int, length: int) -> None:
        if place % self._cluster:
            raise self.damaged(_("a cluster at {offset}").format(offset=place))
        self._inside(place + length)
        byte, bit = divmod(place // self._cluster, 8)
        if byte >= len(used):
            return
        if used[byte] & 1 << bit:
            raise self.damaged(_("two clusters lie in one place"))
        used[byte] |= 1 << bit


@image_format("qcow2")
def open_qcow2(window: Window, family: Family) -> Image | None:
    """A QCOW2 image with all its backing files; None when it, or one of them, is left to QEMU."""
    header = _header(window)
    if header is None:
        return None
    parent = None
    if header.backing:
        found = _backing(header, family)
        if found is None:
            return None
        parent = found
    try:
        return Qcow2(window, header, parent)
    except StepFailed:
        if parent:
            parent.close()
        raise


def _backing(header: _Header, family: Family) -> Image | None:
    # Before anything is opened: also what QEMU will read has to lie in the folder.
    beside = family.parent(header.backing)
    if header.backing_format not in {"qcow2", "raw"}:
        return None
    window = Window(beside.file)
    try:
        if header.backing_format == "raw":
            return Raw(window)
        found = open_qcow2(window, beside)
    except BaseException:
        window.close()
        raise
    if found is None:
        window.close()
    return found


def _header(window: Window) -> _Header | None:
    data = window.read_some(0, 64 << 10)
    if len(data) < 72 or data[:4] != _MAGIC:
        return None
    version, backing_at, backing_length, bits, size, crypt, l1_size, l1_at = struct.unpack_from(">IQIIQIIQ", data, 4)
    if version not in {2, 3} or crypt:
        return None
    incompatible, length, compression = 0, 72, _ZLIB
    if version == 3:
        if len(data) < 104:
            raise damaged(window.name, _("the file ends at {size}").format(size=window.size))
        (incompatible,) = struct.unpack_from(">Q", data, 72)
        (length,) = struct.unpack_from(">I", data, 100)
        if length > 104 and len(data) > 104:
            compression = data[104]
    if incompatible & ~(_DIRTY | _COMPRESSION) or compression not in {_ZLIB, _ZSTD}:
        return None
    if not 9 <= bits <= 21:
        raise damaged(window.name, _("clusters of 2^{bits} bytes").format(bits=bits))
    believable(window.name, size)
    backing = b""
    if backing_at:
        backing = data[backing_at : backing_at + backing_length]
        if not 0 < backing_length < 1024 or len(backing) < backing_length:
            raise damaged(window.name, _("the name of its backing file can't be read"))
    return _Header(
        version, bits, size, l1_size, l1_at, compression, _text(backing, window), _backing_format(data, length, bits)
    )


def _text(data: bytes, window: Window) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise damaged(window.name, _("the name of its backing file can't be read")) from None


def _backing_format(data: bytes, at: int, bits: int) -> str:
    """The header extension that names it. Extensions lie behind the header, in the first cluster."""
    end = min(len(data), 1 << bits)
    while at + 8 <= end:
        kind, length = struct.unpack_from(">II", data, at)
        if kind == _END:
            break
        if kind == _BACKING_FORMAT:
            return data[at + 8 : at + 8 + length].decode("ascii", "replace")
        at += 8 + -(-length // 8) * 8
    return ""
