"""A disk that comes as one streamOptimized stream, decoded while it comes, for a copy that asks for it piece by piece.

The pieces of a copy are asked for nearly in order. What has gone by is kept for a while; whoever asks for what lies further back
has the stream begin anew.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.extents import Extent
from blue_wizard.migrate.formats.vmdk_stream import pieces
from blue_wizard.text import _

__all__ = ["StreamReader"]

_KEPT = 128 << 20
_TRIES = 3

Opener = Callable[[], AbstractContextManager[BinaryIO]]


class StreamReader:
    """`opener` gives the stream from its beginning. Nothing is known of its holes before it comes by.

    `told` is called with how much of the disk has gone by, in percent.
    """

    def __init__(
        self,
        opener: Opener,
        size: int,
        name: str,
        *,
        used: list[Extent] | None = None,
        told: Callable[[int], None] = lambda _percent: None,
        kept: int = _KEPT,
    ) -> None:
        self._opener, self._size, self.name, self._told, self._kept = opener, size, name, told, kept
        self._used = used
        self._lock = threading.Lock()
        self._context: AbstractContextManager[BinaryIO] | None = None
        self._pieces: Iterator[tuple[int, bytes]] = iter(())
        self._offsets: deque[int] = deque()
        self._data: deque[bytes] = deque()
        self._floor = self._at = 0
        self._ended = False
        self.last_sign = time.monotonic()
        """When the stream has last moved on: passing over what is known already is no standstill."""

    @property
    def size(self) -> int:
        """The virtual size in bytes."""
        return self._size

    def extents(self) -> Iterator[Extent]:
        """What is known from elsewhere, or the whole disk as one extent."""
        yield from self._used or [Extent(0, self._size, False)]

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes. Raises StepFailed when the stream breaks off again and again, or is damaged."""
        with self._lock:
            for attempt in range(1, _TRIES + 1):
                try:
                    return self._read(offset, length)
                except StepFailed:
                    self._close()
                    if attempt == _TRIES:
                        raise
                    time.sleep(0.5 * attempt)
        raise AssertionError("the last attempt returns or raises")

    def _read(self, offset: int, length: int) -> bytes:
        if self._context is None or offset < self._floor:
            self._begin()
        # The end of the stream says whether all of it was there.
        while not self._ended and (self._at < offset + length or offset + length == self._size):
            self._pull(offset)
        found = bytearray(length)
        first = max(0, bisect_right(self._offsets, offset) - 1)
        for i in range(first, len(self._offsets)):
            at, data = self._offsets[i], self._data[i]
            if at >= offset + length:
                break
            start, end = max(at, offset), min(at + len(data), offset + length)
            if start < end:
                found[start - offset : end - offset] = data[start - at : end - at]
        return bytes(found)

    def _begin(self) -> None:
        self._close()
        self._context = self._opener()
        self._pieces = pieces(self._context.__enter__(), self.name, self._size)
        self._floor = self._at = 0
        self._ended = False

    def _pull(self, wanted: int) -> None:
        piece = next(self._pieces, None)
        self.last_sign = time.monotonic()
        if piece is None:
            self._ended = True
            self._at = self._size
            return
        offset, data = piece
        if offset < self._at:
            raise StepFailed(
                _("{name}: the stream is not in the order of the disk.").format(name=self.name),
                _("Export the machine as an OVA, and migrate that."),
            )
        self._at = offset + len(data)
        self._offsets.append(offset)
        self._data.append(data)
        # Several threads ask side by side: what one is past, another may still need.
        while self._offsets and self._offsets[0] + len(self._data[0]) <= min(wanted, self._at - self._kept):
            self._floor = self._offsets.popleft() + len(self._data.popleft())
        self._told(self._at * 100 // max(1, self._size))

    def _close(self) -> None:
        context, self._context = self._context, None
        self._offsets.clear()
        self._data.clear()
        if context is not None:
            context.__exit__(None, None, None)

    def close(self) -> None:
        """End the stream. May be called twice."""
        with self._lock:
            self._close()
