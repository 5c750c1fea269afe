"""An RBD image as the target, written and read back through librbd."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from typing import Any

from blue_wizard.migrate.extents import Extent
from blue_wizard.migrate.transfer.faults import target_fault
from blue_wizard.migrate.transfer.writer import Data, Done
from blue_wizard.reach.ceph import Pool

__all__ = ["RbdImage"]

_CLOSE_S = 0.5


class RbdImage:
    """An open image of a pool that was opened with `direct`: without librbd's cache a write that has ended is on all its OSDs.

    Writes are asynchronous; whoever calls bounds how many are in flight. Raises StepFailed.
    """

    _fault = staticmethod(target_fault)

    def __init__(self, pool: Pool, image: str, *, read_only: bool = False) -> None:
        self.name = f"{pool.name}/{image}"
        self._flight = threading.Condition()
        self._in_flight = 0
        self._image: Any = None
        self._error = pool.error
        self._pool = pool
        try:
            self._image = pool.open_image(image, read_only=read_only)
            self._size = int(self._image.size())
        except pool.error as e:
            self.close()
            raise self._fault(self.name, _os_error(e)) from e

    @property
    def size(self) -> int:
        """The size of the image in bytes."""
        return self._size

    def identity(self) -> str:
        """What no other image of the cluster has: an image that is made anew under the same name has another."""
        return str(self._image.id())

    def object_size(self) -> int:
        """The size of its objects in bytes."""
        return int(self._image.stat()["obj_size"])

    def write(self, offset: int, data: Data, done: Done) -> None:
        """Begin to write."""
        self._begin(offset, len(data), done, lambda ended: self._image.aio_write(data, offset, ended))

    def zero(self, offset: int, length: int, done: Done) -> None:
        """Begin to write zeroes; objects may be given back where that reads the same."""
        self._begin(offset, length, done, lambda ended: self._image.aio_write_zeroes(offset, length, ended))

    def _begin(self, offset: int, length: int, done: Done, request: Any) -> None:
        # librbd cuts such a write off at the end without a word.
        if offset + length > self._size:
            done(OSError(errno.EINVAL, f"byte {offset + length} of {self._size}"))
            return

        def ended(completion: Any) -> None:
            status = completion.get_return_value()
            self._landed()
            done(OSError(-status, errno.errorcode.get(-status, "")) if status < 0 else None)

        with self._flight:
            self._in_flight += 1
        try:
            request(ended)
        except self._error as e:
            self._landed()
            done(_os_error(e))

    def _landed(self) -> None:
        with self._flight:
            self._in_flight -= 1
            self._flight.notify_all()

    def flush(self) -> None:
        """Nothing is left to do: see the class."""

    def extents(self) -> Iterator[Extent]:
        """The objects that exist, as data, and the rest as zeroes."""
        found: list[tuple[int, int]] = []

        def seen(offset: int, length: int, exists: bool) -> None:
            if exists:
                found.append((offset, length))

        # In slices: the list of a disk of many TiB would be long.
        position = 0
        slice_ = 16384 * self.object_size()
        for first in range(0, self._size, slice_):
            found.clear()
            try:
                self._image.diff_iterate(first, min(slice_, self._size - first), None, seen, whole_object=True)
            except self._error as e:
                raise self._fault(self.name, _os_error(e)) from e
            for offset, length in found:
                if offset > position:
                    yield Extent(position, offset - position, True)
                yield Extent(offset, length, False)
                position = offset + length
        if position < self._size:
            yield Extent(position, self._size - position, True)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes, from the OSDs."""
        with self._flight:
            self._in_flight += 1
        try:
            data: bytes = self._image.read(offset, length)
        except self._error as e:
            raise self._fault(self.name, _os_error(e)) from e
        finally:
            self._landed()
        return data

    def close(self) -> None:
        """Close the image: now, or on a cluster that hangs when its requests have come back or timed out, in the background."""
        image, self._image = self._image, None
        if image is None:
            return
        with self._flight:
            quiet = self._flight.wait_for(lambda: not self._in_flight, timeout=_CLOSE_S)
        if quiet:
            image.close()
            return

        def later() -> None:
            # Closing under requests that are in flight would wait for them, or crash when they come back.
            with self._flight:
                self._flight.wait_for(lambda: not self._in_flight)
            image.close()
            self._pool.close()

        self._pool.keep()
        threading.Thread(target=later, name="rbd-close", daemon=True).start()


def _os_error(error: Any) -> OSError:
    number = abs(getattr(error, "errno", 0) or errno.EIO)
    return OSError(number, str(error))
