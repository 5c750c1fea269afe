"""A snapshot of an RBD image as the source: read through librbd, with what changed since an earlier one."""

from __future__ import annotations

import errno
from typing import Any

from blue_wizard.migrate.transfer.faults import changed, source_fault
from blue_wizard.migrate.transfer.rbd_image import RbdImage
from blue_wizard.reach.ceph import Pool

__all__ = ["RbdSnapshot", "changed_between"]


class RbdSnapshot(RbdImage):
    """An image as it was at the snapshot. Of a clone, what its parent holds belongs to it.

    `at_rest` says that nothing is to write to the image any more, so that what was written after the snapshot is a fault.
    """

    _fault = staticmethod(source_fault)

    def __init__(self, pool: Pool, image: str, snapshot: str, *, at_rest: bool = True) -> None:
        super().__init__(pool, image, read_only=True)
        self._of, self._snapshot, self._at_rest = image, snapshot, at_rest
        self.name = f"{pool.name}/{image}@{snapshot}"
        try:
            self._image.set_snap(snapshot)
            self._size = int(self._image.size())
        except pool.error as e:
            self.close()
            raise self._fault(self.name, _os_error(e)) from e

    def stamp(self) -> str:
        """What no other snapshot has. Raises StepFailed when an image at rest was written to after it: the copy would lack that."""
        if self._at_rest and changed_between(self._pool, self._of, self._snapshot):
            raise changed(self.name)
        (number,) = (s["id"] for s in self._image.list_snaps() if s["name"] == self._snapshot)
        return f"{self.identity()}@{number}"


def changed_between(pool: Pool, image: str, first: str, second: str | None = None) -> list[tuple[int, int]]:
    """The ranges (offset, length) that were written to after the snapshot `first`, up to `second` or up to now.

    Raises StepFailed when one of them is gone.
    """
    found: list[tuple[int, int]] = []

    def seen(offset: int, length: int, _exists: bool) -> None:
        found.append((offset, length))

    try:
        opened = pool.open_image(image, read_only=True)
        try:
            if second is not None:
                opened.set_snap(second)
            # Whole objects: with an object map that is a look at a bitmap.
            opened.diff_iterate(0, opened.size(), first, seen, whole_object=True)
        finally:
            opened.close()
    except pool.error as e:
        raise source_fault(f"{pool.name}/{image}@{first}", _os_error(e)) from e
    return found


def _os_error(error: Any) -> OSError:
    return OSError(abs(getattr(error, "errno", 0) or errno.EIO), str(error))
