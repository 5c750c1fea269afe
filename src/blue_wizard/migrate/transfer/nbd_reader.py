"""A disk behind an NBD server, by several connections at once where the server allows it."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterator
from typing import Any

from blue_wizard.migrate.extents import Extent
from blue_wizard.migrate.transfer.faults import source_fault, truncated
from blue_wizard.reach import nbd

__all__ = ["NbdReader"]

_CONNECTIONS = 4
# The NBD protocol guarantees no more when a server does not tell its limit.
_MAX_REQUEST = 32 << 20


class NbdReader:
    """The first `size` bytes of an export. `stamp` tells whether the disk behind it has changed. Raises StepFailed.

    `connections` is how many there are at most: behind some servers each is a session with the machine that has the disk.

    Every read has a connection of its own, and its buffer goes with its result: nothing is kept.
    """

    def __init__(
        self,
        uri: str,
        size: int,
        *,
        name: str = "",
        stamp: Callable[[], str] | None = None,
        connections: int = _CONNECTIONS,
    ) -> None:
        self.name = name or uri
        self._size = size
        self._stamp = stamp
        self._handles = [nbd.connect(uri)]
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        first = self._handles[0]
        try:
            if first.get_size() < size:
                raise truncated(self.name, first.get_size(), size)
            if first.is_read_only() or first.can_multi_conn():
                self._handles += [nbd.connect(uri) for _i in range(connections - 1)]
        except BaseException:
            self.close()
            raise
        for handle in self._handles:
            self._idle.put(handle)
        self._most = min(_limit(first) or _MAX_REQUEST, _MAX_REQUEST)

    @property
    def size(self) -> int:
        """The virtual size in bytes."""
        return self._size

    def stamp(self) -> str:
        """What was given as `stamp`, asked now; "" without it."""
        return self._stamp() if self._stamp else ""

    def extents(self) -> Iterator[Extent]:
        """The export's block status."""
        position = 0
        while position < self._size:
            with self._handle(position) as handle:
                # One request at a time: between two of them the connection may serve a read.
                found = list(nbd.status(handle, position, self._size))
            for offset, length, zero in found:
                yield Extent(offset, length, zero)
                position = offset + length

    def read(self, offset: int, length: int) -> bytes | bytearray:
        """Exactly these bytes."""
        with self._handle(offset) as handle:
            if length <= self._most:
                data: bytearray = handle.pread(length, offset)
                return data
            ends = range(offset, offset + length, self._most)
            return b"".join(handle.pread(min(self._most, offset + length - at), at) for at in ends)

    @contextlib.contextmanager
    def _handle(self, offset: int) -> Iterator[Any]:
        import nbd as libnbd

        handle = self._idle.get()
        try:
            yield handle
        except libnbd.Error as e:
            gone = handle.aio_is_dead() or handle.aio_is_closed()
            raise source_fault(self.name, nbd.os_error(e, gone=gone), offset) from e
        finally:
            if self._handles:
                self._idle.put(handle)

    def close(self) -> None:
        """Let the connections go: one that still waits for its answer when that comes, the others now."""
        self._handles.clear()
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait()


def _limit(handle: Any) -> int:
    import nbd as libnbd

    return int(handle.get_block_size(libnbd.SIZE_MAXIMUM))
