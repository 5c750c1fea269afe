"""What all readers of our own share: a disk is a sequence of runs, and each run says where its bytes come from."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar, NamedTuple

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.extents import Extent
from blue_wizard.migrate.formats.window import Window, damaged
from blue_wizard.text import _

__all__ = ["PACKED", "PARENT", "PLAIN", "ZERO", "Image", "Run"]

ZERO, PLAIN, PACKED, PARENT = range(4)


class Run(NamedTuple):
    """`length` bytes of the disk from `offset`.

    `kind` says where they come from: nowhere (ZERO), the file from `at` (PLAIN), the parent (PARENT), or `skip` bytes into the
    compressed unit that `at` and `packed` describe (PACKED).
    """

    offset: int
    length: int
    kind: int
    at: int = 0
    skip: int = 0
    packed: int = 0


class Image(ABC):
    """A `Reader` (see extents.py) of an image with or without parents. A format says its runs, and unpacks its units."""

    format: ClassVar[str]
    """qemu's name of the format"""

    def __init__(self, window: Window, size: int, parent: Image | None = None) -> None:
        self.window, self.parent = window, parent
        self._size = size
        self._last = threading.local()

    @property
    def size(self) -> int:
        """The virtual size in bytes."""
        return self._size

    @property
    def chain(self) -> tuple[Path, ...]:
        """The files of its parents, the nearest first."""
        return (self.parent.window.file, *self.parent.chain) if self.parent else ()

    @property
    def only_ours(self) -> bool:
        """QEMU does not read it, or reads it wrongly."""
        return False

    @abstractmethod
    def runs(self, offset: int, length: int) -> Iterator[Run]:
        """The range in order, without gaps. Raises StepFailed when the tables can't be right."""

    @abstractmethod
    def check(self) -> None:
        """Look through all tables. Raises StepFailed when they point beyond the end, or twice to one place."""

    def unpack(self, run: Run) -> bytes:
        """The whole unit of a PACKED run. Raises StepFailed when it can't be had."""
        raise NotImplementedError

    def extents(self) -> Iterator[Extent]:
        """See `Reader.extents`."""
        return _joined(self.spans(0, self._size))

    def spans(self, offset: int, length: int) -> Iterator[Extent]:
        """The range as extents that may touch others of their kind."""
        for run in self.runs(offset, length):
            if run.kind == PARENT and self.parent:
                inside = max(0, min(run.length, self.parent.size - run.offset))
                if inside:
                    yield from self.parent.spans(run.offset, inside)
                if inside < run.length:
                    yield Extent(run.offset + inside, run.length - inside, True)
            else:
                yield Extent(run.offset, run.length, run.kind in (ZERO, PARENT))

    def read(self, offset: int, length: int) -> bytes:
        """See `Reader.read`."""
        if not 0 <= offset <= offset + length <= self._size:
            raise StepFailed(
                _("{file}: {length} bytes from {offset} lie outside the disk.").format(
                    file=self.window.name, length=length, offset=offset
                )
            )
        parts = [self._part(run) for run in self.runs(offset, length)]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _part(self, run: Run) -> bytes:
        if run.kind == PLAIN:
            return self.window.read(run.at, run.length)
        if run.kind == PACKED:
            # Two parts of the disk that name one unit are an error that unpacking notices: the place alone is no key.
            wanted = (run.at, run.packed, run.offset - run.skip)
            known, unit = getattr(self._last, "unit", (None, b""))
            if known != wanted:
                unit = self.unpack(run)
                self._last.unit = (wanted, unit)
            part = unit if run.length == len(unit) else unit[run.skip : run.skip + run.length]
            if len(part) != run.length:
                raise self.damaged(_("the data at {offset} is too short").format(offset=run.offset))
            return part
        if run.kind == PARENT and self.parent:
            inside = max(0, min(run.length, self.parent.size - run.offset))
            return (self.parent.read(run.offset, inside) if inside else b"") + bytes(run.length - inside)
        return bytes(run.length)

    def damaged(self, detail: str) -> StepFailed:
        """The error of an image whose content can't be right."""
        return damaged(self.window.name, detail)

    def close(self) -> None:
        """Close the files of the image and of its parents. May be called twice."""
        self.window.close()
        if self.parent:
            self.parent.close()


def _joined(extents: Iterable[Extent]) -> Iterator[Extent]:
    last: Extent | None = None
    for extent in extents:
        if last is not None and last.zero == extent.zero:
            last = Extent(last.offset, last.length + extent.length, last.zero)
            continue
        if last is not None:
            yield last
        last = extent
    if last is not None:
        yield last
