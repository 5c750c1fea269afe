"""A plug-in for workers under test: a source whose machine runs, with a disk in a file, and a target in another one.

Its guest writes a few pages whenever a point is made. What a point was is kept as a copy, and what has changed since is found by
comparing two of them.
"""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from blue_wizard.jobs.actions import Action, action
from blue_wizard.migrate.machine import Power
from blue_wizard.migrate.sources import Export, source
from blue_wizard.migrate.targets import origin, warm
from blue_wizard.migrate.transfer.file_reader import FileReader, stamp_of
from blue_wizard.migrate.transfer.file_writer import FileWriter
from blue_wizard.migrate.warm.protocol import PointDisk, Terms
from blue_wizard.migrate.warm.rounds import Means, WarmDisk

SIZE = (6 << 20) + 512
OBJECT = 256 << 10
PAGE = 4096


@source
class ToyHost:
    """``toywarm:///FOLDER``: the machine ``m`` with a disk in ``FOLDER/vda.raw``; it runs while ``FOLDER/on`` is there."""

    schemes: ClassVar[tuple[str, ...]] = ("toywarm",)

    def __init__(self, url: str) -> None:
        self.folder = Path(url.removeprefix("toywarm://"))
        self.target = "toys"

    def discover(self, match: str = "*") -> Iterable[Any]:
        return ()

    def open_disk(self, machine_id: str, disk_id: str) -> Any:
        raise NotImplementedError

    def power(self, _machine: str) -> Power:
        return Power.ON if (self.folder / "on").exists() else Power.OFF

    def shut_down(self, _machine: str, **_how: Any) -> None:
        self._scribble()
        (self.folder / "on").unlink(missing_ok=True)

    def start(self, _machine: str) -> None:
        (self.folder / "on").touch()

    def _scribble(self) -> None:
        with (self.folder / "vda.raw").open("r+b") as disk:
            for _i in range(5):
                disk.seek(random.randrange(SIZE // PAGE) * PAGE)  # noqa: S311
                disk.write(os.urandom(PAGE) if random.random() < 0.8 else bytes(PAGE))  # noqa: S311

    def warm_terms(self, _machine: str) -> Terms:
        return Terms()

    def warm_state(self, _machine: str) -> Any:
        return None

    def prepare(self, _machine: str) -> None:
        """Nothing."""

    def _point(self, name: str) -> Path:
        return self.folder / f"point-{name}"

    def begin_point(self, _machine: str, owner: str, _disks: Sequence[str], since: Any) -> Any:
        keep = since and self._point(since["name"])
        for old in self.folder.glob(f"point-{owner}.*"):
            if old != keep:
                old.unlink()
        name = f"{owner}.{time.time_ns()}"
        shutil.copy(self.folder / "vda.raw", self._point(name))
        if self.power("m") is Power.ON:
            self._scribble()
        return {"name": name}

    def point_stands(self, _machine: str, point: Any) -> bool:
        return self._point(point["name"]).exists()

    @contextmanager
    def open_point(self, _machine: str, point: Any, _disk: str, since: Any) -> Iterator[PointDisk]:
        now = self._point(point["name"])
        before = self._point(since["name"]) if since else None
        changed = None
        if before is not None and before.exists():
            a, b = before.read_bytes(), now.read_bytes()
            changed = [(at, PAGE) for at in range(0, SIZE, PAGE) if a[at : at + PAGE] != b[at : at + PAGE]]
        yield PointDisk(
            Export("", SIZE, lambda: FileReader(now), lambda: stamp_of(now)), changed, "no copy of it is left"
        )

    def end_point(self, _machine: str, owner: str, point: Any) -> None:
        for old in self.folder.glob(f"point-{owner}.*"):
            if old != self._point(point["name"]):
                old.unlink()

    def forget(self, _machine: str, owner: str, _was: Any) -> None:
        for old in self.folder.glob(f"point-{owner}.*"):
            old.unlink()


@action("toywarm.volume")
class Volume(Action):
    """args: source. A target in a file."""

    def do(self, ctx: Any, args: Any) -> Any:
        target = ToyHost(args["source"]).folder / "target.raw"
        if not target.exists():
            with target.open("wb") as file:
                file.truncate(SIZE)
        return {"volume_id": "v"}

    def undo(self, ctx: Any, args: Any, outcome: Any) -> None:
        (ToyHost(args["source"]).folder / "target.raw").unlink(missing_ok=True)


class _Target:
    object_size = OBJECT

    def __init__(self, path: Path) -> None:
        self.path = path
        self.identity = [str(path)]
        self.writer = FileWriter(path, SIZE)
        self.back = FileReader(path)

    def make_blank(self) -> None:
        os.truncate(self.path, 0)
        os.truncate(self.path, SIZE)

    def close(self) -> None:
        self.writer.close()
        self.back.close()


@contextmanager
def _means(ctx: Any, args: Any, before: Any) -> Iterator[Means]:
    host = ToyHost(args["source"])

    @contextmanager
    def target_of(_disk: WarmDisk) -> Iterator[_Target]:
        with closing(_Target(host.folder / "target.raw")) as target:
            yield target

    yield Means(
        source=host,
        machine="m",
        owner=warm._owner(ctx),
        disks=[WarmDisk("vda", SIZE)],
        open_target=target_of,
        open_source=lambda export, disk: origin.reading(export, {"machine": "m", "disk": disk.id, "size": disk.size}),
        journals=lambda kind, _disk: warm._journal(ctx, kind, 0),
        recall=lambda: ctx.noted("state") or before,
        remember=lambda state: ctx.note("state", dict(state)),
        tell=ctx.event,
        pause_point=ctx.pause_point,
        # Slowly, so that a kill finds it in the middle.
        throttles=[lambda _length: 0.0 if time.monotonic() % 0.02 < 0.01 else 0.005],
    )


warm._means = _means  # type: ignore[assignment]
warm.ceph_access = lambda _cloud: SimpleNamespace(pool="p")  # type: ignore[assignment,return-value]
