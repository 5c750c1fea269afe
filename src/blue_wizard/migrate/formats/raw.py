"""Raw images, as parents of other images: which pieces are holes, the file system says."""

from __future__ import annotations

from collections.abc import Iterator

from blue_wizard.migrate.formats.base import PLAIN, ZERO, Image, Run
from blue_wizard.migrate.formats.window import Window, believable

__all__ = ["Raw"]


class Raw(Image):
    """A raw image. It has no mark of its own, so it is never found by its content."""

    format = "raw"

    def __init__(self, window: Window, size: int | None = None) -> None:
        super().__init__(window, believable(window.name, window.size if size is None else size))

    def runs(self, offset: int, length: int) -> Iterator[Run]:
        """Holes as zeroes."""
        end = offset + length
        while offset < end:
            begin, stop = self.window.data_from(offset)
            if begin > offset:
                hole = min(begin, end) - offset
                yield Run(offset, hole, ZERO)
                offset += hole
            if offset < end:
                data = min(stop, end) - offset
                yield Run(offset, data, PLAIN, offset)
                offset += data

    def check(self) -> None:
        """Nothing can be wrong."""
