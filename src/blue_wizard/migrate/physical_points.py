"""How the disks of a physical machine are read while it runs: from LVM's snapshots where it has them, else as they are.

A snapshot holds a logical volume as it was at one moment. It is laid over the disk that the volume lies on: what belongs to the
volume is read from the snapshot, all else from the disk. Volumes that are not plain (thin, RAID, striped) and file systems that
are not under LVM have no snapshot; they are read as they are, and only the last comparison, with the machine held still, is of
one moment. Pure but for `SpooledReader`.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blue_wizard.facts.linux_host import HostFacts, LogicalVolume
from blue_wizard.migrate.extents import Extent, Reader
from blue_wizard.reach.blocks import Piece

__all__ = ["PREFIX", "Snapshot", "SpooledReader", "pieces", "snapshots", "uncovered"]

PREFIX = "blue-wizard"
_LEAST, _SHARE = 64 << 20, 0.2
_CHUNK = 4 << 20


@dataclass(frozen=True)
class Snapshot:
    """A snapshot to be made: `name` of the `volume` of a `group`, with `size` bytes for what is overwritten meanwhile."""

    group: str
    volume: str
    name: str
    size: int


def snapshots(host: HostFacts, disks: Sequence[str], owner: str) -> list[Snapshot]:
    """The snapshots that can be made of volumes on these disks: of plain ones that are mounted, where their group has room."""
    found: list[Snapshot] = []
    free = dict(host.group_free)
    wanted = [v for v in host.volumes if _mounted(host, v) and _placed(host, v, disks)]
    for volume in wanted:
        extent = host.extent_size.get(volume.group, 4 << 20)
        # All volumes of a group share what it has left, each up to a fifth of its size, and never less than is of use.
        share = free.get(volume.group, 0) // max(1, sum(v.group == volume.group for v in wanted))
        size = min(share, max(_LEAST, int(volume.size * _SHARE))) // extent * extent
        if size >= min(_LEAST, volume.size // 4) and size > 0:
            found.append(Snapshot(volume.group, volume.name, f"{PREFIX}.{owner}.{volume.name}"[:100], size))
    return found


def _mounted(host: HostFacts, volume: LogicalVolume) -> bool:
    # The device mapper doubles a hyphen within a name.
    alias = f"{volume.group.replace('-', '--')}-{volume.name.replace('-', '--')}"
    return any(m.source == f"/dev/mapper/{alias}" and m.writable for m in host.mounts)


def _placed(host: HostFacts, volume: LogicalVolume, disks: Sequence[str]) -> bool:
    """Is it known where on these disks all of it lies?"""
    return volume.plain and all(_place(host, s.device)[0] in disks for s in volume.segments)


def _place(host: HostFacts, device: str) -> tuple[str, int]:
    """(disk, offset on it) of where a physical volume's extents begin; ("", 0) when it is no disk and no partition."""
    pv = next((p for p in host.physical_volumes if p.path == device), None)
    block = host.block(host.kernel_name(device))
    if pv is None or block is None or pv.metadata_areas > 1:
        return "", 0
    if block.type == "disk":
        return block.name, pv.start
    if block.type == "part" and len(block.parents) == 1 and block.start:
        return block.parents[0], block.start + pv.start
    return "", 0


def pieces(host: HostFacts, disk: str, made: Sequence[Snapshot]) -> list[Piece]:
    """What of the disk is read from snapshots, and what is left out."""
    names = {(s.group, s.volume): s.name for s in made}
    found = []
    for volume in host.volumes:
        name = names.get((volume.group, volume.name))
        for segment in volume.segments if name else ():
            on, start = _place(host, segment.device)
            if on == disk:
                at = start + segment.extent * host.extent_size[volume.group]
                found.append(Piece(at, segment.length, f"/dev/{volume.group}/{name}", segment.offset))
    # What no volume has, and what the snapshots themselves keep, is nobody's data; and it changes all the time.
    for run in host.extents:
        on, start = _place(host, run.device)
        pv = next((p for p in host.physical_volumes if p.path == run.device), None)
        if made and pv is not None and on == disk and (not run.owner or run.owner.startswith(f"{PREFIX}.")):
            size = host.extent_size[pv.group]
            found.append(Piece(start + run.first * size, run.count * size, "", 0))
    return found


def uncovered(host: HostFacts, disk: str, made: Sequence[Snapshot]) -> list[str]:
    """The mount points on the disk that are written to and have no snapshot."""
    covered = {f"/dev/mapper/{s.group.replace('-', '--')}-{s.volume.replace('-', '--')}" for s in made}
    return sorted(
        m.point
        for m in host.mounts
        if m.writable
        and m.source.startswith("/dev/")
        and m.source not in covered
        and disk in host.below(host.kernel_name(m.source))
    )


class SpooledReader:
    """A disk that is written to while it is read: what has been read twice stays as it was the second time.

    A difference is read once to be found, once to be copied, and once more to be compared with the copy; without this it would
    be another each time. What is read again lies in a file that nobody else sees, and goes with the reader.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.name = getattr(reader, "name", "?")
        self._seen: set[int] = set()
        self._kept: dict[int, int] = {}
        self._lock = threading.Lock()
        self._spool = tempfile.TemporaryFile(prefix="blue-wizard-", dir="/var/tmp")  # noqa: SIM115
        self._end = 0

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self._reader.size

    def extents(self) -> Iterator[Extent]:
        """Those of the disk."""
        return self._reader.extents()

    def read(self, offset: int, length: int) -> bytes | bytearray:
        """Exactly these bytes."""
        end = offset + length
        parts = []
        while offset < end:
            number = offset // _CHUNK
            last = min(end, (number + 1) * _CHUNK)
            parts.append(self._part(number, offset, last - offset))
            offset = last
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _part(self, number: int, offset: int, length: int) -> bytes | bytearray:
        with self._lock:
            again = number in self._seen
            self._seen.add(number)
            at = self._kept.get(number)
        if at is None and not again:
            return self._reader.read(offset, length)
        first = number * _CHUNK
        if at is None:
            data = bytes(self._reader.read(first, min(_CHUNK, self.size - first)))
            with self._lock:
                # Another thread may have been faster: there must be one truth.
                at = self._kept.get(number)
                if at is None:
                    at, self._end = self._end, self._end + len(data)
                    self._spool.seek(at)
                    self._spool.write(data)
                    self._kept[number] = at
        with self._lock:
            self._spool.seek(at + offset - first)
            return self._spool.read(length)

    def close(self) -> None:
        """Close the disk, and let go what was kept. May be called twice."""
        self._reader.close()
        self._spool.close()
