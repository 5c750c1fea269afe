"""A look at the first sectors of a machine's disks: what they hold, by a few reads and without a process. See guest_rules.py."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from blue_wizard.errors import BlueWizardError
from blue_wizard.facts import ntfs, signatures
from blue_wizard.facts.partitions import Partition, Read, Table, parse
from blue_wizard.migrate.machine import Disk, Machine, Power
from blue_wizard.migrate.sources import Glancing, Source

__all__ = ["Seen", "SeenDisk", "Volume", "look", "see", "see_disk"]

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


def look(source: Source, machine: Machine) -> Machine:
    """The machine with what its disks tell. Where they can't be looked at it is what it was."""
    from blue_wizard.migrate import guest_rules

    seen = see(source, machine)
    return replace(
        machine,
        warnings=(*machine.warnings, *guest_rules.warning.findings(seen)),
        unconvertible=guest_rules.unconvertible.findings(seen),
    )


def see(source: Source, machine: Machine) -> Seen:
    """What can be seen of its disks now. Never raises for a disk that can't be opened or read."""
    found = []
    # What a running guest writes is in no order, and its source would refuse disk by disk.
    if isinstance(source, Glancing) and not machine.blockers and machine.power is not Power.ON:
        for disk in machine.disks:
            with contextlib.suppress(BlueWizardError), source.glance(machine.id, disk.id) as reader:
                if reader is not None:
                    found.append(see_disk(disk, reader.read, reader.size))
    return Seen(machine, tuple(found))


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
