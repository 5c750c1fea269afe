"""VHDX: fixed, dynamic and differencing. QEMU tells no block status of this format, and does not read differencing disks.

Source: [MS-VHDX] 2.2 (headers, region table), 2.3 (log), 2.4 (blocks), 2.5 (block allocation table), 2.6 (metadata).
"""

from __future__ import annotations

import struct
import uuid
from array import array
from collections.abc import Iterator, Mapping
from pathlib import PureWindowsPath
from typing import NamedTuple

from blue_wizard.errors import InputError
from blue_wizard.migrate.formats import bitmap, image_format
from blue_wizard.migrate.formats.base import PARENT, PLAIN, ZERO, Image, Run
from blue_wizard.migrate.formats.family import Family
from blue_wizard.migrate.formats.window import Tables, Window, believable, damaged
from blue_wizard.text import _

__all__ = ["Vhdx", "crc32c"]

_MIB = 1 << 20
_HEADERS = (64 << 10, 128 << 10)
_REGIONS = (192 << 10, 256 << 10)
_BAT = uuid.UUID("2DC27766-F623-4200-9D64-115E9BFD4A08")
_METADATA = uuid.UUID("8B7CA206-4790-4B9A-B8FE-575F050F886E")
_FILE_PARAMETERS = uuid.UUID("CAA16737-FA36-4D43-B3B6-33F0AA44E76B")
_DISK_SIZE = uuid.UUID("2FA54224-CD1B-4876-B211-5DBED83BF4B8")
_DISK_ID = uuid.UUID("BECA12AB-B2E6-4523-93EF-C309E000C746")
_LOGICAL_SECTOR = uuid.UUID("8141BF1D-A96F-4709-BA47-F233A8FAAB5F")
_PHYSICAL_SECTOR = uuid.UUID("CDA348C7-445D-4471-9CC9-E9885251C556")
_PARENT_LOCATOR = uuid.UUID("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C")
_KNOWN = {_FILE_PARAMETERS, _DISK_SIZE, _DISK_ID, _LOGICAL_SECTOR, _PHYSICAL_SECTOR, _PARENT_LOCATOR}
_VHDX_PARENT = uuid.UUID("B04AEFB7-D19E-4A81-B789-25B8E9445913")
_NONE = uuid.UUID(int=0)
# 1 undefined, 2 zero, 3 unmapped (5 in drafts of the standard): the parent is not asked.
_NOT_PRESENT, _ZEROES, _FULL, _PARTIAL = 0, {1, 2, 3, 5}, 6, 7
_BITMAP_PRESENT = 6
_PAGE = 8192


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _bit in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC = _crc_table()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), as the headers carry it (RFC 3720, 12.1)."""
    value, table = 0xFFFFFFFF, _CRC
    for byte in data:
        value = value >> 8 ^ table[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


class _Layout(NamedTuple):
    """What the headers say. Places and lengths are in bytes; `written` changes whenever the disk's content does."""

    size: int
    block: int
    sector: int
    has_parent: bool
    bat_at: int
    bat_length: int
    taken: tuple[tuple[int, int], ...]
    written: uuid.UUID
    locator: Mapping[str, str]


class Vhdx(Image):
    """A VHDX, with its parents."""

    format = "vhdx"

    def __init__(self, window: Window, layout: _Layout, parent: Image | None) -> None:
        super().__init__(window, layout.size, parent)
        self._layout = layout
        self._block = layout.block
        self._ratio = (layout.sector << 23) // layout.block
        self._blocks = -(-layout.size // layout.block)
        self._tables = Tables(window, "Q", "little")
        chunks = -(-self._blocks // self._ratio)
        self._entries = (
            chunks * (self._ratio + 1) if layout.has_parent else self._blocks + (self._blocks - 1) // self._ratio
        )
        if self._entries * 8 > layout.bat_length:
            raise self.damaged(_("a table of {count} entries").format(count=layout.bat_length // 8))

    @property
    def written(self) -> uuid.UUID:
        """The identity of the content: a child names its parent's."""
        return self._layout.written

    @property
    def only_ours(self) -> bool:
        """See `Image.only_ours`."""
        return self.parent is not None

    def runs(self, offset: int, length: int) -> Iterator[Run]:
        """Block by block; pages of the table without a block are skipped as one."""
        end = offset + length
        absent = PARENT if self.parent else ZERO
        while offset < end:
            number, skip = divmod(offset, self._block)
            index = number + number // self._ratio
            page = self._page(index)
            if page is None:
                # All entries of this page are 0; among them may be one of a bitmap, which then has no block.
                last = (index // _PAGE + 1) * _PAGE
                stop = min(end, max(number + 1, last - last // (self._ratio + 1)) * self._block)
                yield Run(offset, stop - offset, absent)
                offset = stop
                continue
            here = min(end - offset, self._block - skip)
            entry = page[index % _PAGE]
            state, place = entry & 7, entry & ~(_MIB - 1)
            if state == _NOT_PRESENT:
                yield Run(offset, here, absent)
            elif state in _ZEROES:
                yield Run(offset, here, ZERO)
            elif state == _FULL:
                yield Run(offset, here, PLAIN, self._inside(place, number) + skip)
            elif state == _PARTIAL and self.parent:
                yield from self._partial(offset, here, number, self._inside(place, number) + skip)
            else:
                raise self.damaged(_("a block of kind {kind}").format(kind=state))
            offset += here

    def _page(self, index: int) -> array[int] | None:
        first = index // _PAGE * _PAGE
        return self._tables.get(self._layout.bat_at + 8 * first, min(_PAGE, self._entries - first))

    def _inside(self, place: int, number: int) -> int:
        end = place + min(self._block, self._size - number * self._block)
        if place < _MIB or end > self.window.size:
            detail = _("its tables reach to byte {end}, the file ends at {size}")
            raise self.damaged(detail.format(end=end, size=self.window.size))
        return place

    def _partial(self, offset: int, length: int, number: int, at: int) -> Iterator[Run]:
        """A block that is ours in part: one bit a sector, 1 for ours."""
        sector = self._layout.sector
        index = number // self._ratio * (self._ratio + 1) + self._ratio
        page = self._page(index)
        entry = page[index % _PAGE] if page is not None else 0
        place = entry & ~(_MIB - 1)
        if entry & 7 != _BITMAP_PRESENT or place < _MIB:
            raise self.damaged(_("block {number} has no bitmap").format(number=number))
        per_block = self._block // sector
        bits = self.window.read(place + number % self._ratio * per_block // 8, per_block // 8)
        return bitmap.runs(bits, offset, length, block=self._block, sector=sector, at=at)

    def check(self) -> None:
        """No block lies behind the end, and no two in one place."""
        used = bytearray(self.window.size // _MIB + 2)
        for place, length in self._layout.taken:
            self._mark(used, place, length)
        for first in range(0, self._entries, _PAGE):
            page = self._tables.read(self._layout.bat_at + 8 * first, min(_PAGE, self._entries - first))
            for i, entry in enumerate(page or ()):
                index = first + i
                chunk, within = divmod(index, self._ratio + 1)
                number, place = chunk * self._ratio + within, entry & ~(_MIB - 1)
                if within == self._ratio:
                    if entry & 7 == _BITMAP_PRESENT:
                        self._mark(used, place, _MIB)
                elif entry & 7 in (_FULL, _PARTIAL) and number < self._blocks:
                    self._inside(place, number)
                    self._mark(used, place, self._block)
                elif entry & 7 == 4:
                    raise self.damaged(_("a block of kind {kind}").format(kind=4))
        if self.parent:
            self.parent.check()

    def _mark(self, used: bytearray, place: int, length: int) -> None:
        first, last = place // _MIB, -(-(place + length) // _MIB)
        if place + length > self.window.size:
            detail = _("its tables reach to byte {end}, the file ends at {size}")
            raise self.damaged(detail.format(end=place + length, size=self.window.size))
        if any(used[first:last]):
            raise self.damaged(_("two blocks lie in one place"))
        used[first:last] = b"\1" * (last - first)


@image_format("vhdx")
def open_vhdx(window: Window, family: Family) -> Image | None:
    """A VHDX with all its parents. Raises InputError when it has a log, or a parent that is not there or was changed."""
    if window.read_some(0, 8) != b"vhdxfile":
        return None
    layout = _layout(window)
    if not layout.has_parent:
        return Vhdx(window, layout, None)
    beside = _parent_file(layout.locator, family)
    above = beside.window()
    parent: Image | None = None
    try:
        parent = open_vhdx(above, beside)
        if not isinstance(parent, Vhdx):
            raise damaged(above.name, _("it is no VHDX"))
        linked = {layout.locator.get(k, "").strip("{}").lower() for k in ("parent_linkage", "parent_linkage2")}
        if str(parent.written) not in linked:
            raise InputError(
                _("{file} is not the state of {parent} that it was made from.").format(
                    file=window.name, parent=above.name
                ),
                _("The parent was changed since: take both from the source again."),
            )
        return Vhdx(window, layout, parent)
    except BaseException:
        above.close()
        if parent:
            parent.close()
        raise


def _parent_file(locator: Mapping[str, str], family: Family) -> Family:
    """The parent's file, by its relative path, or by the name alone: exports bring the chain into one folder."""
    names = [locator.get(k, "") for k in ("relative_path", "absolute_win32_path", "volume_path")]
    paths = [PureWindowsPath(n) for n in names if n]
    if not paths:
        raise damaged(family.file.name, _("it does not name its parent"))
    tried = [p.as_posix() for p in paths[:1] if names[0] and not p.is_absolute()] + [p.name for p in paths]
    for name in dict.fromkeys(tried):
        try:
            return family.parent(name)
        except InputError as e:
            failure = e
    raise failure


def _layout(window: Window) -> _Layout:
    written, log_at, log_length = _current_header(window)
    regions = _regions(window)
    taken = [(0, _MIB), *regions.values()]
    if log_length:
        taken.append((log_at, log_length))
    if _BAT not in regions or _METADATA not in regions:
        raise damaged(window.name, _("no block allocation table"))
    items = _metadata(window, *regions[_METADATA])
    try:
        block, flags = struct.unpack("<II", items[_FILE_PARAMETERS][:8])
        (size,) = struct.unpack("<Q", items[_DISK_SIZE][:8])
        (sector,) = struct.unpack("<I", items[_LOGICAL_SECTOR][:4])
        locator = _locator(items[_PARENT_LOCATOR]) if flags & 2 else {}
    except (KeyError, struct.error, UnicodeDecodeError) as e:
        raise damaged(window.name, _("its metadata is not complete")) from e
    if sector not in {512, 4096} or not _MIB <= block <= 256 * _MIB or block & (block - 1) or size % sector:
        raise damaged(
            window.name, _("blocks of {block} and sectors of {sector} bytes").format(block=block, sector=sector)
        )
    believable(window.name, size)
    return _Layout(size, block, sector, bool(flags & 2), *regions[_BAT], tuple(taken), written, locator)


def _current_header(window: Window) -> tuple[uuid.UUID, int, int]:
    """(data write id, place and length of the log) of the header with the higher number."""
    found = []
    for at in _HEADERS:
        data = window.read_some(at, 4096)
        if len(data) == 4096 and data[:4] == b"head" and _sound(data):
            found.append((struct.unpack_from("<Q", data, 8)[0], data))
    if not found:
        raise damaged(window.name, _("no header is sound"))
    data = max(found, key=lambda f: f[0])[1]
    log_id = uuid.UUID(bytes_le=data[48:64])
    _log_version, version, log_length, log_at = struct.unpack_from("<HHIQ", data, 64)
    if version != 1:
        raise InputError(_("{file} is a VHDX of version {version}.").format(file=window.name, version=version))
    if log_id != _NONE:
        raise InputError(
            _("{file} was not closed: its log holds changes that are not yet in the disk.").format(file=window.name),
            _("Open it once in Hyper-V, or mend a COPY of it: qemu-img check -r all COPY.vhdx"),
        )
    return uuid.UUID(bytes_le=data[32:48]), log_at, log_length


def _sound(data: bytes) -> bool:
    return crc32c(data[:4] + bytes(4) + data[8:]) == int.from_bytes(data[4:8], "little")


def _regions(window: Window) -> dict[uuid.UUID, tuple[int, int]]:
    for at in _REGIONS:
        data = window.read_some(at, 64 << 10)
        if len(data) == 64 << 10 and data[:4] == b"regi" and _sound(data):
            break
    else:
        raise damaged(window.name, _("no region table is sound"))
    (count,) = struct.unpack_from("<I", data, 8)
    regions: dict[uuid.UUID, tuple[int, int]] = {}
    for i in range(min(count, 2047)):
        kind, offset, length, required = struct.unpack_from("<16sQII", data, 16 + 32 * i)
        known = uuid.UUID(bytes_le=kind)
        if known not in {_BAT, _METADATA}:
            if required & 1:
                raise damaged(window.name, _("an unknown region {id}").format(id=known))
            continue
        if offset < _MIB or offset + length > window.size or known in regions:
            raise damaged(window.name, _("a region at {offset}").format(offset=offset))
        regions[known] = (offset, length)
    return regions


def _metadata(window: Window, offset: int, length: int) -> dict[uuid.UUID, bytes]:
    table = window.read(offset, min(length, 64 << 10))
    if table[:8] != b"metadata" or len(table) < 64 << 10:
        raise damaged(window.name, _("no metadata table"))
    (count,) = struct.unpack_from("<H", table, 10)
    items = {}
    for i in range(min(count, 2047)):
        kind, at, size, flags = struct.unpack_from("<16sIII", table, 32 + 32 * i)
        known = uuid.UUID(bytes_le=kind)
        if known not in _KNOWN:
            if flags & 4:
                raise damaged(window.name, _("an unknown metadata item {id}").format(id=known))
            continue
        if at + size > length or size > _MIB:
            raise damaged(window.name, _("its metadata is not complete"))
        items[known] = window.read(offset + at, size)
    return items


def _locator(data: bytes) -> dict[str, str]:
    """Key and value pairs. Raises struct.error or UnicodeDecodeError for what can't be read."""
    if uuid.UUID(bytes_le=data[:16].ljust(16, b"\0")) != _VHDX_PARENT:
        return {}
    (count,) = struct.unpack_from("<H", data, 18)
    found = {}
    for i in range(count):
        key_at, value_at, key, value = struct.unpack_from("<IIHH", data, 20 + 12 * i)
        found[data[key_at : key_at + key].decode("utf-16-le")] = data[value_at : value_at + value].decode("utf-16-le")
    return found
