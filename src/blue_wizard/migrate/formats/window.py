"""A part of a file that is read by position, from any thread, and tables in it that are held in memory only in part."""

from __future__ import annotations

import os
import sys
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

from blue_wizard.errors import StepFailed
from blue_wizard.text import _

__all__ = ["MAX_SIZE", "Handle", "Tables", "Window", "believable", "damaged"]

MAX_SIZE = 64 << 40
"""The largest virtual size that is believed, in bytes: what VHDX allows, and more than ESXi does (62 TiB)."""
_AHEAD = 256 << 10


def damaged(name: str, detail: str) -> StepFailed:
    """The error of an image whose content can't be right."""
    return StepFailed(
        _("{file} is damaged or cut off ({detail}).").format(file=name, detail=detail or "?"),
        _("Compare its size and hash with the original, and copy it again."),
    )


def believable(name: str, size: int) -> int:
    """The virtual size, in bytes. Raises StepFailed when no disk has it."""
    if not 0 < size <= MAX_SIZE:
        raise damaged(name, _("a virtual size of {size} bytes").format(size=size))
    return size


class Handle(Protocol):
    """An open file that is read by position, from any thread: here, or at another place."""

    @property
    def size(self) -> int:
        """Its size in bytes."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes; none only at its end. Raises OSError."""

    def data_from(self, offset: int) -> tuple[int, int]:
        """(begin, end) of the next piece at or behind `offset` that is no hole; all, if that can't be told. OSError: none."""

    def close(self) -> None:
        """Close it. May be called twice."""


class _LocalFile:
    """A file of this machine as a `Handle`."""

    def __init__(self, file: Path) -> None:
        self._fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.size = os.lseek(self._fd, 0, os.SEEK_END)
        except OSError:
            self.close()
            raise

    def read_at(self, offset: int, length: int) -> bytes:
        return os.pread(self._fd, length, offset)

    def data_from(self, offset: int) -> tuple[int, int]:
        begin = os.lseek(self._fd, offset, os.SEEK_DATA)
        return begin, os.lseek(self._fd, begin, os.SEEK_HOLE)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Window:
    """`size` bytes of a file from `start`, or all of it. Reads by several threads do not wait for each other."""

    def __init__(
        self,
        file: Path,
        start: int = 0,
        size: int | None = None,
        name: str = "",
        *,
        opener: Callable[[], Handle] | None = None,
    ) -> None:
        """`opener` opens a file that is not on this machine; `file` is only its name then.

        Raises StepFailed when the file can't be opened, or is shorter than that.
        """
        self.file, self.start, self.name = file, start, name or file.name
        try:
            self._handle: Handle = opener() if opener else _LocalFile(file)
        except OSError as e:
            raise StepFailed(_("{file} can't be read: {error}").format(file=self.name, error=e.strerror or e)) from e
        end = self._handle.size
        self.size = end - start if size is None else size
        if self.size < 0 or start + self.size > end or self.size > 2 * MAX_SIZE:
            self.close()
            raise damaged(self.name, _("the file ends at {size}").format(size=end))
        self._ahead = threading.local()

    def read_some(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; less only at the end."""
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b""
        parts = []
        while length > 0:
            try:
                part = self._handle.read_at(self.start + offset, length)
            except OSError as e:
                raise StepFailed(
                    _("{file} can't be read at {offset}: {error}").format(
                        file=self.name, offset=offset, error=e.strerror or e
                    )
                ) from e
            if not part:
                break
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`. Raises StepFailed when the image ends before."""
        # Before anything is read: a length that was made up must not take the memory of a large file.
        data = self.read_some(offset, length) if offset + length <= self.size else b""
        if len(data) < length:
            detail = _("its tables reach to byte {end}, the file ends at {size}")
            raise damaged(self.name, detail.format(end=offset + length, size=self.size))
        return data

    def near(self, offset: int, length: int) -> memoryview:
        """As `read_some`, for small pieces that follow each other: each thread reads ahead."""
        start, data = getattr(self._ahead, "piece", (0, memoryview(b"")))
        if not start <= offset <= offset + length <= start + len(data):
            start, data = offset, memoryview(self.read_some(offset, max(length, _AHEAD)))
            self._ahead.piece = (start, data)
        return data[offset - start : offset - start + length]

    def data_from(self, offset: int) -> tuple[int, int]:
        """(begin, end) of the next piece of the file at or behind `offset` that is no hole; both `size` when none is."""
        try:
            begin, end = self._handle.data_from(self.start + offset)
        except OSError:
            return self.size, self.size
        return min(begin - self.start, self.size), min(end - self.start, self.size)

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._handle.close()


class Tables:
    """Arrays of integers in an image. The tables used last stay in memory, up to a limit; the lock covers no reading."""

    def __init__(
        self, window: Window, code: Literal["I", "Q"], order: Literal["little", "big"], limit: int = 16 << 20
    ) -> None:
        self._window, self._code, self._swap, self._limit = window, code, order != sys.byteorder, limit
        self._width = array(code).itemsize
        self._known: OrderedDict[tuple[int, int], array[int] | None] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def get(self, offset: int, count: int) -> array[int] | None:
        """`count` integers from `offset`; None when all are 0. Raises StepFailed when the image ends before."""
        key = (offset, count)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        table = self.read(offset, count)
        with self._lock:
            if key not in self._known:
                self._known[key] = table
                self._held += _bytes(table)
            while self._held > self._limit and len(self._known) > 1:
                self._held -= _bytes(self._known.popitem(last=False)[1])
        return table

    def read(self, offset: int, count: int) -> array[int] | None:
        """As `get`, for a table that is looked at once."""
        data = self._window.read(offset, count * self._width)
        if data.count(0) == len(data):
            return None
        table = array(self._code)
        table.frombytes(data)
        if self._swap:
            table.byteswap()
        return table


def _bytes(table: array[int] | None) -> int:
    return 64 + (len(table) * table.itemsize if table is not None else 0)
