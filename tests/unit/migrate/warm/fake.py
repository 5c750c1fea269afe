"""A source whose machine runs: disks in memory that are written to all the time, points of them, and things that go wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.sources import Export
from blue_wizard.migrate.transfer.writer import Data, Done
from blue_wizard.migrate.warm.protocol import PointDisk, Terms
from blue_wizard.migrate.warm.rounds import Means, WarmDisk, fresh_state
from tests.unit.migrate.transfer.disks import Disk

OBJECT = 64 << 10
PAGE = 4096


class Killed(BaseException):
    """The worker was killed here."""


class Running:
    """A `WarmReading`: a machine with disks. `touched` are what was written since each point that is tracked."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.disks = {name: Disk(size, name) for name, size in sizes.items()}
        self.touched: dict[str, dict[str, list[tuple[int, int]]]] = {}
        self.points: dict[str, dict[str, Disk]] = {}
        self.on = True
        self.untold: set[str] = set()
        self.lying = False
        self.made = 0
        self.hook: Callable[[str], None] = lambda _what: None
        self.when_begun: Callable[[], None] = lambda: None

    def write(self, disk: str, offset: int, data: bytes) -> None:
        """The guest writes."""
        self.disks[disk].put(offset, data)
        if not self.lying:
            for tracked in self.touched.values():
                tracked.setdefault(disk, []).append((offset, len(data)))

    def crash(self) -> None:
        """The hypervisor's process dies and is started again: what it kept in memory is gone."""
        self.points.clear()
        self.touched.clear()

    def lose_points(self) -> None:
        """Somebody ends the reading; the tracking stays."""
        self.points.clear()

    def warm_terms(self, _machine: str) -> Terms:
        return Terms()

    def warm_state(self, _machine: str) -> Any:
        return None

    def prepare(self, _machine: str) -> None:
        """Nothing has to be prepared."""

    def begin_point(self, _machine: str, owner: str, disks: Sequence[str], since: Any) -> Any:
        self.hook("begin")
        for name in [n for n in self.touched if since is None or n != since["name"]]:
            del self.touched[name]
        self.points.clear()
        self.made += 1
        name = f"{owner}.{self.made}"
        self.touched[name] = {}
        self.points[name] = {d: _still(self.disks[d]) for d in disks}
        told = {d: list(t) for d, t in self.touched.get(since["name"], {}).items()} if since else {}
        known = since is not None and since["name"] in self.touched
        point = {"name": name, "changed": told if known else None}
        self.hook("begun")
        self.when_begun()
        return json.loads(json.dumps(point))

    def point_stands(self, _machine: str, point: Any) -> bool:
        return point["name"] in self.points

    @contextmanager
    def open_point(self, _machine: str, point: Any, disk: str, since: Any) -> Iterator[PointDisk]:
        self.hook("open")
        if point["name"] not in self.points:
            raise StepFailed("the point is gone")
        of = self.points[point["name"]][disk]
        told = None if since is None or disk in self.untold or point["changed"] is None else point["changed"]
        yield PointDisk(
            Export("", of.size, reader=lambda: of),
            None if told is None else [(at, length) for at, length in told.get(disk, [])],
            "" if told is not None else "the bitmap is broken",
        )

    def end_point(self, _machine: str, _owner: str, point: Any) -> None:
        self.hook("end")
        self.points.pop(point["name"], None)
        for name in [n for n in self.touched if n != point["name"]]:
            del self.touched[name]
        self.hook("ended")

    def forget(self, _machine: str, _owner: str, _was: Any) -> None:
        self.points.clear()
        self.touched.clear()


def _still(disk: Disk) -> Disk:
    """The disk as it is now."""
    made = Disk(disk.size, disk.name)
    made.pages = copy.deepcopy(disk.pages)
    return made


class Shelf:
    """Targets, journals and notes that outlive the worker."""

    def __init__(self, source: Running, folder: Path, tail: int = 0) -> None:
        self.source, self.folder = source, folder
        self.targets = {n: Disk(d.size + tail, f"target-{n}") for n, d in source.disks.items()}
        self.state: dict[str, Any] = fresh_state()
        self.told: list[str] = []
        self.hook: Callable[[str], None] = lambda _what: None

    def means(self) -> Means:
        """What the next worker is given."""
        return Means(
            source=self.source,
            machine="m",
            owner="o",
            disks=[WarmDisk(n, d.size) for n, d in self.source.disks.items()],
            open_target=self._open,
            open_source=self._read,
            journals=lambda kind, disk: self.folder / f"{kind}.{disk.id}",
            recall=lambda: json.loads(json.dumps(self.state)),
            remember=self._remember,
            tell=lambda _kind, text: self.told.append(text),
        )

    def _remember(self, state: Mapping[str, Any]) -> None:
        self.hook("remember")
        self.state = json.loads(json.dumps(dict(state)))

    @contextmanager
    def _open(self, disk: WarmDisk) -> Iterator[Any]:
        yield _Target(self.targets[disk.id], self.hook)

    @contextmanager
    def _read(self, export: Export, _disk: WarmDisk) -> Iterator[Any]:
        assert export.reader is not None
        yield export.reader()


class _Target:
    object_size = OBJECT

    def __init__(self, disk: Disk, hook: Callable[[str], None]) -> None:
        self._disk, self._hook = disk, hook
        self.writer = self
        self.back = disk
        self.name = disk.name

    @property
    def identity(self) -> list[str]:
        return [self._disk.name]

    def make_blank(self) -> None:
        self._disk.pages.clear()

    def write(self, offset: int, data: Data, done: Done) -> None:
        # Killed behind the write, before it was noted anywhere.
        self._disk.write(offset, data, done)
        self._hook("write")

    def zero(self, offset: int, length: int, done: Done) -> None:
        self._disk.zero(offset, length, done)
        self._hook("write")

    def flush(self) -> None:
        self._disk.flush()

    def close(self) -> None:
        """It stays."""
