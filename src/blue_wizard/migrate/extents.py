"""What is known of a disk before it is read: which ranges hold data, and how they are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Extent", "Reader"]


@dataclass(frozen=True)
class Extent:
    """`length` bytes from `offset`; `zero` says that they read as zeroes."""

    offset: int
    length: int
    zero: bool

    @property
    def end(self) -> int:
        """The offset of the first byte behind it."""
        return self.offset + self.length


class Reader(Protocol):
    """A disk that can be read at random, by several threads at once."""

    @property
    def size(self) -> int:
        """The virtual size in bytes."""

    def extents(self) -> Iterator[Extent]:
        """The whole disk in order, without gaps or overlaps. Raises StepFailed when its tables can't be read."""

    def read(self, offset: int, length: int) -> bytes | bytearray:
        """Exactly `length` bytes (the range lies inside the disk). Raises StepFailed when they can't be had."""

    def close(self) -> None:
        """Give back what it holds. May be called twice."""
