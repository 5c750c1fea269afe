"""A disk that is read by VMware's library: an NBD reader that says in the library's words what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from blue_wizard.errors import StepFailed
from blue_wizard.facts.vddk import Cause
from blue_wizard.migrate.extents import Extent, Reader

__all__ = ["VddkReader"]


class VddkReader:
    """`reader`, with the map `extents` where vSphere has told one. `cause` asks what nbdkit has said."""

    def __init__(
        self, reader: Reader, cause: Callable[[], Cause | None], extents: Sequence[Extent] | None = None
    ) -> None:
        self._reader, self._cause, self._extents = reader, cause, extents

    @property
    def size(self) -> int:
        """The virtual size in bytes."""
        return self._reader.size

    def extents(self) -> Iterator[Extent]:
        """What vSphere has told of the disk, or what the library tells."""
        if self._extents is not None:
            yield from self._extents
            return
        try:
            yield from self._reader.extents()
        except StepFailed as e:
            raise self._told(e) from e

    def read(self, offset: int, length: int) -> bytes | bytearray:
        """Exactly these bytes. Raises StepFailed."""
        try:
            return self._reader.read(offset, length)
        except StepFailed as e:
            raise self._told(e) from e

    def _told(self, error: StepFailed) -> StepFailed:
        cause = self._cause()
        return StepFailed(f"{error.message} {cause.message}", cause.hint) if cause else error

    def close(self) -> None:
        """Let its sessions go."""
        self._reader.close()
