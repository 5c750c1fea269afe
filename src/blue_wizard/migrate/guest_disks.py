"""A machine's disks as their first sectors show them. Pure over a `read(offset, length)`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from blue_wizard.facts import ntfs, signatures
from blue_wizard.facts.partitions import Partition, Read, Table, parse
from blue_wizard.migrate.machine import Disk, Machine

__all__ = ["Seen", "SeenDisk", "Volume", "see_disk"]

# Each costs a read; disks with more have them for data.
_MOST_VOLUMES = 16


@dataclass(frozen=True)
class Volume:
    """A partition, or a whole disk (`number` 0). `holds` is a word of `signatures.identify`, `free` bytes, None where unknown."""

    number: int
    size: int
    kind: str
    holds: str
    free: int | None = None
    windows: ntfs.Volume | None = None


@dataclass(frozen=True)
class SeenDisk:
    """A disk as it was seen."""

    disk: Disk
    table: Table
    volumes: tuple[Volume, ...]


@dataclass(frozen=True)
class Seen:
    """A machine, and those of its disks that could be looked at."""

    machine: Machine
    disks: tuple[SeenDisk, ...]

    @property
    def whole(self) -> bool:
        """Every disk was looked at."""
        return len(self.disks) == len(self.machine.disks)

    @property
    def boot(self) -> SeenDisk | None:
        """The boot disk, if it was looked at."""
        wanted = next((d for d in self.machine.disks if d.boot), self.machine.disks[0]) if self.machine.disks else None
        return next((s for s in self.disks if s.disk == wanted), None)


def see_disk(disk: Disk, read: Read, size: int) -> SeenDisk:
    """What a disk of `size` bytes holds. Raises what `read` raises."""
    table = parse(read, size)
    places = table.partitions[:_MOST_VOLUMES] or (Partition(0, 0, size, ""),)
    return SeenDisk(disk, table, tuple(_volumes(read, size, places)))


def _volumes(read: Read, size: int, places: tuple[Partition, ...]) -> Iterator[Volume]:
    for part in places:
        end = min(part.start + part.size, size)
        data = bytes(read(part.start, min(signatures.NEEDED, end - part.start))) if part.start < end else b""
        holds = signatures.identify(data)
        windows = None
        if holds == "ntfs":
            with contextlib.suppress(ntfs.NotReadable):
                windows = ntfs.look(lambda at, n, start=part.start: read(start + at, n), end - part.start)  # type: ignore[misc]
        yield Volume(part.number, part.size, part.kind, holds, signatures.free_bytes(data, holds), windows)
