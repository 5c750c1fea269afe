"""What a target of a transfer has to be able to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["Data", "Done", "Writer"]

Data = bytes | bytearray
Done = Callable[[OSError | None], None]
"""Called once, from any thread, when a request has ended; it must return soon and raise nothing."""


class Writer(Protocol):
    """A target that is written at random, by several threads at once. `name` is how messages call it."""

    @property
    def name(self) -> str: ...

    def write(self, offset: int, data: Data, done: Done) -> None:
        """Begin to write; may return before it has ended. `data` is not changed until `done` is called."""

    def zero(self, offset: int, length: int, done: Done) -> None:
        """Make this range read as zeroes, whatever was there. Never by a discard, which may leave parts as they were."""

    def flush(self) -> None:
        """Everything whose `done` was called before stands after a loss of power. Raises OSError."""

    def close(self) -> None:
        """Give back what it holds. May be called twice."""
