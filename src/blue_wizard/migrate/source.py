"""What a source of virtual machines is, and what it gives. The sources themselves lie in `sources/`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from blue_wizard.migrate.extents import Reader
from blue_wizard.migrate.machine import Machine, Power

__all__ = ["Export", "Exporting", "Glancing", "PowerControl", "Source"]


@dataclass(frozen=True)
class Export:
    """A disk that can be read over NBD while the context is open.

    `uri` is an NBD URI that libnbd and nbdcopy take ("" where only `reader` can read it, in one pass);
    `size` the virtual size in bytes. `reader` opens the same disk by a reader of our own where that is better than NBD.
    `stamp` tells, when it is asked again, whether the disk was written to or replaced meanwhile
    (`transfer.file_reader.stamp_of` for a file); it raises StepFailed when the disk is gone.
    """

    uri: str
    size: int
    reader: Callable[[], Reader] | None = None
    stamp: Callable[[], str] | None = None


class Source(Protocol):
    """A place that virtual machines come from.

    `schemes` are the URL schemes it answers to. `target` is the name of the queue that limits how many jobs read from it
    at once (a host, a datastore, a folder).
    """

    schemes: ClassVar[tuple[str, ...]]

    def __init__(self, url: str) -> None:
        """Raises InputError when the URL can't be one of this source's. Opens nothing."""

    @property
    def target(self) -> str: ...

    def discover(self, match: str = "*") -> Iterable[Machine]:
        """The machines whose name matches the glob. Reads only; raises InputError for what can't be read."""

    def open_disk(self, machine_id: str, disk_id: str) -> AbstractContextManager[Export]:
        """The disk as a read-only NBD export, for as long as the context lasts."""


@runtime_checkable
class PowerControl(Protocol):
    """An optional ability: sources whose machines run."""

    def power(self, machine_id: str) -> Power:
        """The power state now."""

    def shut_down(self, machine_id: str, *, timeout_s: float, check_stop: Callable[[], None]) -> None:
        """Ask the guest to shut down and wait until it is off. Raises StepFailed when it is not off in time."""

    def start(self, machine_id: str) -> None:
        """Start the machine; nothing happens when it runs."""


@runtime_checkable
class Exporting(Protocol):
    """An optional ability: sources that have to make something of a disk before it can be read (a snapshot, an image)."""

    def export(self, machine_id: str, disk_id: str, owner: str, *, check_stop: Callable[[], None]) -> str:
        """Make it, or find what a killed attempt of the same `owner` has made, and wait until it can be read; what it is, in words.

        What other owners have left of this disk is removed: it shows an older state of it. Raises StepFailed.
        """

    def release(self, machine_id: str, disk_id: str) -> None:
        """Remove all that `export` has made of this disk, whole or half. Nothing happens when there is nothing."""


@runtime_checkable
class Glancing(Protocol):
    """An optional ability: sources whose disks can be read at a few places at little cost, while nothing writes to them."""

    def glance(self, machine_id: str, disk_id: str) -> AbstractContextManager[Reader | None]:
        """A reader of the disk; None where that would cost too much or show a disk in use. Raises StepFailed or InputError."""
