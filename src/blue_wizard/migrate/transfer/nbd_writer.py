"""An NBD export as the target: disks in any format that a `qemu-nbd` writes."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable
from typing import Any

from blue_wizard.migrate.transfer.writer import Data, Done
from blue_wizard.reach import nbd

__all__ = ["NbdWriter"]

_CONNECTIONS = 4


class NbdWriter:
    """A writable export. Each request waits for its answer; the threads of the engine make several at once."""

    def __init__(self, uri: str, *, name: str = "") -> None:
        self.name = name or uri
        self._handles = [nbd.connect(uri)]
        # Without this flag of the server a flush on one connection need not cover the writes of another.
        if self._handles[0].can_multi_conn():
            self._handles += [nbd.connect(uri) for _i in range(_CONNECTIONS - 1)]
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        for handle in self._handles:
            self._idle.put(handle)

    def write(self, offset: int, data: Data, done: Done) -> None:
        """Write and wait."""
        self._ask(lambda handle: handle.pwrite(data, offset), done)

    def zero(self, offset: int, length: int, done: Done) -> None:
        """Write zeroes; the server may make a hole that reads so."""
        self._ask(lambda handle: handle.zero(length, offset), done)

    def _ask(self, request: Callable[[Any], object], done: Done) -> None:
        import nbd as libnbd

        handle = self._idle.get()
        error = None
        try:
            request(handle)
        except libnbd.Error as e:
            error = nbd.os_error(e, gone=False)
        finally:
            self._idle.put(handle)
        done(error)

    def flush(self) -> None:
        """Ask the server to make everything durable."""
        import nbd as libnbd

        handle = self._idle.get()
        try:
            if handle.can_flush():
                handle.flush()
        except libnbd.Error as e:
            raise nbd.os_error(e, gone=False) from e
        finally:
            self._idle.put(handle)

    def close(self) -> None:
        """Let the connections go: one that still waits for its answer when that comes, the others now."""
        self._handles.clear()
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait()
