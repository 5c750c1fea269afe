"""VHD: fixed and differencing. Dynamic ones are left to QEMU.

QEMU does not recognise a fixed VHD (it takes the last sector for a part of a raw disk), and takes a differencing one for a
dynamic one, with zeroes where the parent's data is.

Source: Microsoft, Virtual Hard Disk Image Format Specification 1.0.
"""

from __future__ import annotations

import struct
import uuid
from array import array
from collections.abc import Iterator
from itertools import pairwise
from pathlib import PureWindowsPath
from typing import NamedTuple

from blue_wizard.errors import InputError
from blue_wizard.migrate.formats import bitmap, image_format
from blue_wizard.migrate.formats.base import PARENT, PLAIN, ZERO, Image, Run
from blue_wizard.migrate.formats.family import Family
from blue_wizard.migrate.formats.raw import Raw
from blue_wizard.migrate.formats.window import Tables, Window, believable, damaged
from blue_wizard.text import _

__all__ = ["FixedVhd", "Vhd", "open_any_vhd"]

_SECTOR = 512
_FIXED, _DYNAMIC, _DIFFERENCING = 2, 3, 4
_ABSENT = 0xFFFFFFFF
_PAGE = 8192
_RELATIVE, _ABSOLUTE = b"W2ru", b"W2ku"


class _Footer(NamedTuple):
    """`header` is the place of the dynamic header, `id` the disk's own."""

    header: int
    size: int
    kind: int
    id: uuid.UUID


class _Header(NamedTuple):
    """The dynamic header. `parents` are the names it gives its parent, the most useful first."""

    table: int
    entries: int
    block: int
    parent_id: uuid.UUID
    parents: tuple[str, ...]


class FixedVhd(Raw):
    """A fixed VHD: a raw disk with a footer."""

    format = "vpc"

    def __init__(self, window: Window, footer: _Footer) -> None:
        """Raises StepFailed when the file is too short."""
        super().__init__(window, footer.size)
        self.id = footer.id
        if footer.size > window.size - _SECTOR:
            raise self.damaged(_("the file ends at {size}").format(size=window.size))


class Vhd(Image):
    """A dynamic or differencing VHD."""

    format = "vpc"

    def __init__(self, window: Window, footer: _Footer, header: _Header, parent: Image | None) -> None:
        super().__init__(window, footer.size, parent)
        self.id = footer.id
        self._header = header
        self._bitmap = -(-header.block // _SECTOR // 8 // _SECTOR) * _SECTOR
        self._tables = Tables(window, "I", "big")
        self._blocks = -(-footer.size // header.block)
        if header.entries < self._blocks or header.table + 4 * self._blocks > window.size:
            raise self.damaged(_("a table of {count} entries").format(count=header.entries))

    @property
    def only_ours(self) -> bool:
        """See `Image.only_ours`."""
        return True

    def runs(self, offset: int, length: int) -> Iterator[Run]:
        """Block by block."""
        block, end = self._header.block, offset + length
        absent = PARENT if self.parent else ZERO
        while offset < end:
            number, skip = divmod(offset, block)
            here = min(end - offset, block - skip)
            first = number // _PAGE * _PAGE
            table = self._tables.get(self._header.table + 4 * first, min(_PAGE, self._blocks - first))
            at = table[number - first] if table is not None else 0
            if at == _ABSENT:
                yield Run(offset, here, absent)
            elif self.parent is None:
                # What a dynamic disk's bitmap calls unused is zero in its block as well.
                yield Run(offset, here, PLAIN, self._inside(at, number) + self._bitmap + skip)
            else:
                yield from self._partial(offset, here, self._inside(at, number))
            offset += here

    def _inside(self, at: int, number: int) -> int:
        block = self._header.block
        end = at * _SECTOR + self._bitmap + min(block, self._size - number * block)
        if at == 0 or end > self.window.size:
            detail = _("its tables reach to byte {end}, the file ends at {size}")
            raise self.damaged(detail.format(end=end, size=self.window.size))
        return at * _SECTOR

    def _partial(self, offset: int, length: int, place: int) -> Iterator[Run]:
        """A block that is ours in part: one bit a sector, the highest first, 1 for ours."""
        bits = self.window.read(place, self._bitmap).translate(bitmap.MIRROR)
        block = self._header.block
        at = place + self._bitmap + offset % block
        return bitmap.runs(bits, offset, length, block=block, sector=_SECTOR, at=at)

    def check(self) -> None:
        """No block lies behind the end, and no two in one place."""
        size = self._bitmap + self._header.block
        places: list[int] = []
        for first in range(0, self._blocks, _PAGE):
            count = min(_PAGE, self._blocks - first)
            table = self._tables.read(self._header.table + 4 * first, count) or array("I", bytes(4 * count))
            places += [self._inside(at, first + i) for i, at in enumerate(table) if at != _ABSENT]
            if len(places) > self.window.size // size + 1:
                break
        places.sort()
        if any(b - a < size for a, b in pairwise(places)):
            raise self.damaged(_("two blocks lie in one place"))
        if self.parent:
            self.parent.check()


@image_format("vpc")
def open_vhd(window: Window, family: Family) -> Image | None:
    """A fixed VHD, or a differencing one with all its parents; None for dynamic ones."""
    footer = _footer(window)
    if footer is None or footer.kind not in {_FIXED, _DIFFERENCING}:
        return None
    return _open(window, footer, family)


def open_any_vhd(window: Window, family: Family) -> Image | None:
    """As `open_vhd`, dynamic ones as well: for files that QEMU can't reach."""
    footer = _footer(window)
    return _open(window, footer, family) if footer and footer.kind in {_FIXED, _DYNAMIC, _DIFFERENCING} else None


def _open(window: Window, footer: _Footer, family: Family) -> Image:
    if footer.kind == _FIXED:
        return FixedVhd(window, footer)
    header = _header(window, footer)
    if footer.kind == _DYNAMIC:
        return Vhd(window, footer, header, None)
    beside = _parent_file(header, family)
    above = beside.window()
    parent: Image | None = None
    try:
        found = _footer(above)
        if found is None or found.kind not in {_FIXED, _DYNAMIC, _DIFFERENCING}:
            raise damaged(above.name, _("it is no VHD"))
        if found.id != header.parent_id:
            raise InputError(
                _("{file} is not the state of {parent} that it was made from.").format(
                    file=window.name, parent=above.name
                ),
                _("The parent was changed since: take both from the source again."),
            )
        parent = _open(above, found, beside)
        return Vhd(window, footer, header, parent)
    except BaseException:
        above.close()
        if parent:
            parent.close()
        raise


def _parent_file(header: _Header, family: Family) -> Family:
    failure: InputError | None = None
    for name in header.parents:
        try:
            return family.parent(name)
        except InputError as e:
            failure = e
    raise failure or damaged(family.file.name, _("it does not name its parent"))


def _footer(window: Window) -> _Footer | None:
    """The last sector; None when it is none of a VHD. Raises StepFailed when it is damaged, or only its copy is there."""
    data = window.read_some(window.size - _SECTOR, _SECTOR)
    if data[:8] != b"conectix":
        # Dynamic disks begin with a copy: without the original the end is missing, and QEMU would not say so.
        if window.read_some(0, 8) == b"conectix":
            raise damaged(window.name, _("no footer at its end"))
        return None
    (header,) = struct.unpack_from(">Q", data, 16)
    size, _geometry, kind, checksum = struct.unpack_from(">QIII", data, 48)
    if checksum != ~(sum(data) - sum(data[64:68])) & 0xFFFFFFFF:
        raise damaged(window.name, _("the checksum of its footer is wrong"))
    return _Footer(header, believable(window.name, size), kind, uuid.UUID(bytes=data[68:84]))


def _header(window: Window, footer: _Footer) -> _Header:
    data = window.read(footer.header, 1024)
    table, _version, entries, block, checksum = struct.unpack_from(">QIIII", data, 16)
    if data[:8] != b"cxsparse" or checksum != ~(sum(data) - sum(data[36:40])) & 0xFFFFFFFF:
        raise damaged(window.name, _("the checksum of its header is wrong"))
    if not 256 << 10 <= block <= 256 << 20 or block & (block - 1):
        raise damaged(
            window.name, _("blocks of {block} and sectors of {sector} bytes").format(block=block, sector=_SECTOR)
        )
    names: dict[bytes, str] = {}
    for i in range(8):
        code, _space, length, _spare, at = struct.unpack_from(">4sIIIQ", data, 576 + 24 * i)
        if code in {_RELATIVE, _ABSOLUTE} and 0 < length <= 2048:
            names[code] = window.read(at, length).decode("utf-16-le", "replace").rstrip("\0")
    names[b"name"] = data[64:576].decode("utf-16-be", "replace").partition("\0")[0]
    relative = [PureWindowsPath(names[_RELATIVE]).as_posix()] if _RELATIVE in names else []
    bases = [PureWindowsPath(n).name for n in names.values()]
    return _Header(
        table, entries, block, uuid.UUID(bytes=data[40:56]), tuple(dict.fromkeys(filter(None, relative + bases)))
    )
