"""A raw disk in a file, in a part of a file, or on a block device."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from blue_wizard.migrate.extents import Extent
from blue_wizard.migrate.transfer.faults import changed, source_fault, truncated

__all__ = ["FileReader", "stamp_of"]

# File systems without holes say so with one of these.
_NO_HOLES = {errno.EINVAL, errno.EOPNOTSUPP}


def stamp_of(path: Path) -> str:
    """What tells that a file was written to or replaced: inode, size, time of change. Raises StepFailed when it is gone."""
    try:
        found = path.stat()
    except OSError as e:
        raise source_fault(str(path), e) from e
    if stat.S_ISBLK(found.st_mode):
        return f"block device {found.st_rdev}"
    return f"{found.st_dev}:{found.st_ino} {found.st_size} {found.st_mtime_ns}"


class FileReader:
    """`size` bytes of a file from `offset`; holes are found by SEEK_DATA and SEEK_HOLE. Raises StepFailed."""

    def __init__(self, path: Path, *, offset: int = 0, size: int | None = None) -> None:
        self.name = str(path)
        self._path = path
        self._first = offset
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as e:
            raise source_fault(self.name, e) from e
        end = os.lseek(self._fd, 0, os.SEEK_END)
        self._size = end - offset if size is None else size
        if offset + self._size > end:
            self.close()
            raise truncated(self.name, max(0, end - offset), self._size)

    @property
    def size(self) -> int:
        """The virtual size in bytes."""
        return self._size

    def stamp(self) -> str:
        """See `stamp_of`."""
        return stamp_of(self._path)

    def extents(self) -> Iterator[Extent]:
        """Data and holes in order."""
        position = 0
        while position < self._size:
            data = self._seek(position, os.SEEK_DATA)
            if data > position:
                yield Extent(position, data - position, True)
            if data >= self._size:
                return
            position = self._seek(data, os.SEEK_HOLE)
            # A file that grows a hole while it is looked at would keep us here for ever.
            if position <= data:
                raise changed(self.name)
            yield Extent(data, position - data, False)

    def _seek(self, position: int, what: int) -> int:
        try:
            found = os.lseek(self._fd, self._first + position, what) - self._first
        except OSError as e:
            if e.errno == errno.ENXIO:
                found = self._size
            elif e.errno in _NO_HOLES:
                found = position if what == os.SEEK_DATA else self._size
            else:
                raise source_fault(self.name, e, position) from e
        return min(found, self._size)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes. Raises StepFailed when the file is shorter by now, or can't be read."""
        parts = []
        at = offset
        while at < offset + length:
            try:
                part = os.pread(self._fd, offset + length - at, self._first + at)
            except OSError as e:
                raise source_fault(self.name, e, at) from e
            if not part:
                raise truncated(self.name, at, self._size)
            parts.append(part)
            at += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
