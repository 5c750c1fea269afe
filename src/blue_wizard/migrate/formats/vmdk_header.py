"""The header of a hosted sparse extent: what all single-file VMDKs begin with.

Source: VMware, Virtual Disk Format 1.1 (hosted sparse extents).
"""

from __future__ import annotations

import struct
from array import array
from typing import NamedTuple, Self

from blue_wizard.migrate.formats.window import Tables, Window, believable, damaged
from blue_wizard.text import _

__all__ = ["AT_END", "SECTOR", "Header"]

SECTOR = 512
AT_END = (1 << 64) - 1
"""The place of a directory that only the footer tells."""
_MAGIC = b"KDMV"
_LINE_ENDS, _ZEROED, _COMPRESSED, _MARKERS = 1 << 0, 1 << 2, 1 << 16, 1 << 17
_MAX_GRAIN = 4096
_LONGEST_DESCRIPTOR = 64 << 10
_LARGEST_DIRECTORY = 64 << 20


class Header(NamedTuple):
    """A sparse extent header (or footer). Places and lengths are in sectors, but for `entries` (of a grain table)."""

    flags: int
    capacity: int
    grain: int
    descriptor: int
    descriptor_length: int
    entries: int
    directory: int
    overhead: int

    @classmethod
    def parse(cls, data: bytes, name: str) -> Self | None:
        """Read a header; None when it is none, or of a version or kind that we don't know.

        Raises StepFailed for absurd values.
        """
        if len(data) < SECTOR or data[:4] != _MAGIC:
            return None
        (version, flags, capacity, grain, descriptor, length, entries, _spare, directory, overhead, _unclean) = (
            struct.unpack_from("<IIQQQQIQQQB", data, 4)
        )
        (algorithm,) = struct.unpack_from("<H", data, 77)
        packed = bool(flags & _COMPRESSED)
        if version > 3 or packed != bool(flags & _MARKERS):
            return None
        if flags & _LINE_ENDS and data[73:77] != b"\n \r\n":
            raise damaged(name, _("a transfer in text mode has changed its line ends"))
        if packed and algorithm != 1:
            raise damaged(name, _("compression method {number}").format(number=algorithm))
        if not 8 <= grain <= _MAX_GRAIN or grain & (grain - 1) or not 0 < entries <= 512:
            raise damaged(name, _("grains of {size} sectors").format(size=grain))
        believable(name, capacity * SECTOR)
        return cls(flags, capacity, grain, descriptor, length, entries, directory, overhead)

    @property
    def streamed(self) -> bool:
        """Its grains are compressed, each behind a marker."""
        return bool(self.flags & _COMPRESSED)

    @property
    def first_grain(self) -> int:
        """The least entry of a grain table that is a place: 1 may stand for a grain of zeroes."""
        return 2 if self.flags & _ZEROED else 1

    @property
    def tables(self) -> int:
        """How many grain tables the directory names."""
        return -(-self.capacity // (self.grain * self.entries))

    def text(self, window: Window) -> str:
        """The descriptor inside the extent, "" when it has none."""
        length = min(self.descriptor_length * SECTOR, _LONGEST_DESCRIPTOR)
        return window.read_some(self.descriptor * SECTOR, length).decode("latin-1")

    def read_directory(self, window: Window, tables: Tables) -> array[int]:
        """The place of each grain table, in sectors; 0 where there is none. Raises StepFailed when it can't lie there."""
        size = 4 * self.tables
        if size > _LARGEST_DIRECTORY or self.directory == 0 or self.directory * SECTOR + size > window.size:
            raise damaged(window.name, _("its directory lies behind its end"))
        return tables.read(self.directory * SECTOR, self.tables) or array("I", [0]) * self.tables
