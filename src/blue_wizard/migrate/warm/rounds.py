"""One round of a warm migration: a point at the source, what changed since the last one into the target, and a check.

What a round knows is kept by `Means.remember` before it is needed, so that a worker that was killed anywhere is followed by one
that carries on: with the same point where that still stands, else with a newer one.

`ref` is the point that the target stands for: every object of a disk that its journal knows, or all of the disk where it is
`whole`, is as it was at that point. A newer point first brings all of that up to itself, and only then takes its place; after
that the rest of a full copy can come from the newer one.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from blue_wizard.errors import StepFailed
from blue_wizard.jobs.model import Json
from blue_wizard.migrate.extents import Reader
from blue_wizard.migrate.source import Export
from blue_wizard.migrate.transfer import compare, engine, journal, planner
from blue_wizard.migrate.transfer.compare import Compared
from blue_wizard.migrate.transfer.engine import Throttle
from blue_wizard.migrate.transfer.journal import Journal, OtherDisk
from blue_wizard.migrate.transfer.writer import Writer
from blue_wizard.migrate.warm.budget import Check, Round
from blue_wizard.migrate.warm.protocol import PointDisk, WarmReading
from blue_wizard.text import _

__all__ = ["Means", "OpenTarget", "WarmDisk", "fresh_state", "run_round"]

# Changes so near to each other are read together: a request costs more than what lies between them.
_GAP = 128 << 10


@dataclass(frozen=True)
class WarmDisk:
    """A disk by the source's name for it; `size` in bytes."""

    id: str
    size: int


class OpenTarget(Protocol):
    """The target of one disk, open and proved to be ours."""

    @property
    def writer(self) -> Writer: ...

    @property
    def back(self) -> Reader:
        """To read it back."""

    @property
    def object_size(self) -> int: ...

    @property
    def identity(self) -> Sequence[Json]:
        """What no other target has."""

    def make_blank(self) -> None:
        """Make all of it read as zeroes; nothing is done where it does."""


@dataclass
class Means:
    """What a round works with. `journals` tells the file of a kind and disk; `remember` keeps the state, `recall` gives it back."""

    source: WarmReading
    machine: str
    owner: str
    disks: Sequence[WarmDisk]
    open_target: Callable[[WarmDisk], AbstractContextManager[OpenTarget]]
    open_source: Callable[[Export, WarmDisk], AbstractContextManager[Reader]]
    journals: Callable[[str, WarmDisk], Path]
    recall: Callable[[], Mapping[str, Json]]
    remember: Callable[[Mapping[str, Json]], None]
    tell: Callable[[str, str], None] = lambda _kind, _message: None
    progress: Callable[[int, int, str], None] = lambda _done, _total, _note: None
    pause_point: Callable[[Callable[[bool], None] | None], None] = lambda _hold: None
    throttles: Sequence[Throttle] = ()
    guards: Callable[[OpenTarget], Sequence[Callable[[int], None]]] = lambda _target: ()
    in_flight: int = 16
    clock: Callable[[], float] = time.time


def fresh_state() -> dict[str, Json]:
    """Nothing has been copied yet."""
    return {"ref": None, "whole": [], "point": None, "since": None, "at": 0.0, "sha256": {}, "moved": {}, "rounds": []}


@dataclass
class _Sums:
    moved: int = 0
    copy_s: float = 0.0
    compare_s: float = 0.0
    kinds: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def copied(self, state: dict[str, Json], disk: WarmDisk, done: engine.Copied) -> None:
        """Add a copy to the sums of this round, and to those of the disk."""
        self.moved += done.moved
        self.copy_s += done.seconds
        before = state["moved"].get(disk.id, {"bytes": 0, "seconds": 0.0})
        total = {"bytes": before["bytes"] + done.moved, "seconds": round(before["seconds"] + done.seconds, 3)}
        state["moved"] = {**state["moved"], disk.id: total}


def run_round(means: Means, *, check: Check | None = None) -> Round:
    """Make a round, or carry on with the one that was begun; what came of it.

    With `check` the targets are compared with the point: the "whole" of them, or what this round has "changed". Places that
    differ although the source did not tell of them are written, told, and compared again. Raises StepFailed.
    """
    state = dict(means.recall())
    _begin(means, state)
    began = time.monotonic()
    point, since = state["point"], state["since"]
    sums = _Sums()
    if since is not None and state["ref"] != point:
        for disk in means.disks:
            _catch_up(means, state, disk, sums)
        # What stood as of the earlier point stands as of this one now.
        state["ref"] = point
        means.remember(state)
    for disk in means.disks:
        if disk.id not in state["whole"]:
            if state["ref"] is None:
                # From here on the journals speak of this point.
                state["ref"] = point
                means.remember(state)
            _full(means, state, disk, sums)
            state["whole"] = [*state["whole"], disk.id]
            means.remember(state)
    if check is not None:
        for disk in means.disks:
            # A comparison in this round has been the check.
            if disk.id not in state["sha256"]:
                _check(means, state, disk, check, sums)
                means.remember(state)
    means.source.end_point(means.machine, means.owner, point)
    for disk in means.disks:
        for kind in ("full", "changes"):
            journal.remove(means.journals(kind, disk))
    kind = next((k for k in ("full", "compare") if k in sums.kinds), "changes")
    seconds = max(time.monotonic() - began, means.clock() - state["at"])
    made = Round(kind, state["at"], seconds, sums.moved, sums.copy_s, sums.compare_s, tuple(sums.notes))
    state |= {"point": None, "rounds": [*state["rounds"], made.as_json()]}
    means.remember(state)
    return made


def _begin(means: Means, state: dict[str, Json]) -> None:
    """The point of this round: the one that was begun where it still stands, else a new one."""
    if state["point"] is not None:
        if means.source.point_stands(means.machine, state["point"]):
            return
        means.tell("note", _("The point that was being read is gone: a new one is made."))
    at = means.clock()
    since = state["ref"]
    point = means.source.begin_point(means.machine, means.owner, [d.id for d in means.disks], since)
    state |= {"point": point, "since": since, "at": at, "sha256": {}}
    means.remember(state)


def _catch_up(means: Means, state: dict[str, Json], disk: WarmDisk, sums: _Sums) -> None:
    """What the target holds of the disk becomes what the disk is at this point."""
    with (
        means.source.open_point(means.machine, state["point"], disk.id, state["since"]) as there,
        means.open_source(there.export, disk) as reader,
        means.open_target(disk) as target,
    ):
        if there.changed is not None:
            sums.kinds.add("changes")
            note = _("changes of {disk}").format(disk=disk.id)
            sums.copied(
                state, disk, _copy_ranges(means, state, disk, reader, target, _near(there.changed, disk.size), note)
            )
            return
        sums.kinds.add("compare")
        text = _("{disk}: what changed can't be told ({why}), so all of it is compared.")
        text = text.format(disk=disk.id, why=there.why or "?")
        sums.notes.append(text)
        means.tell("warning", text)
        found = _compare(means, disk, reader, target)
        sums.compare_s += found.seconds
        note = _("differences of {disk}").format(disk=disk.id)
        sums.copied(state, disk, _copy_ranges(means, state, disk, reader, target, found.differing, note))
        _read_back(reader, target, found.differing)
        # Nothing of this disk is left to be copied, however far a full copy had come.
        if disk.id not in state["whole"]:
            state["whole"] = [*state["whole"], disk.id]
        state["sha256"] = {**state["sha256"], disk.id: found.sha256}


def _full(means: Means, state: dict[str, Json], disk: WarmDisk, sums: _Sums) -> None:
    with (
        means.source.open_point(means.machine, state["point"], disk.id, state["since"]) as there,
        means.open_source(there.export, disk) as reader,
        means.open_target(disk) as target,
    ):
        path = means.journals("full", disk)
        identity = _identity(means, disk, target)
        notes = _earlier(path, identity)
        if notes is None:
            target.make_blank()
            notes = Journal(path, identity)
        with closing(notes):
            note = _("first copy of {disk}").format(disk=disk.id)
            sums.copied(state, disk, _copy(means, disk, reader, target, notes, note, fresh=True))
    sums.kinds.add("full")


def _check(means: Means, state: dict[str, Json], disk: WarmDisk, check: Check, sums: _Sums) -> None:
    with (
        means.source.open_point(means.machine, state["point"], disk.id, state["since"]) as there,
        means.open_source(there.export, disk) as reader,
        means.open_target(disk) as target,
    ):
        if check == "changed" and _tells(there, state):
            began = time.monotonic()
            _read_back(reader, target, _near(there.changed or (), disk.size), means)
            sums.compare_s += time.monotonic() - began
            return
        found = _compare(means, disk, reader, target)
        sums.compare_s += found.seconds
        if found.differing:
            text = _("{disk}: {bytes} bytes differed of which the source had said nothing; they were copied again.")
            text = text.format(disk=disk.id, bytes=sum(length for _at, length in found.differing))
            sums.notes.append(text)
            means.tell("warning", text)
            note = _("differences of {disk}").format(disk=disk.id)
            sums.copied(
                state, disk, _copy_ranges(means, state, disk, reader, target, found.differing, note, kind="repair")
            )
            _read_back(reader, target, found.differing)
        state["sha256"] = {**state["sha256"], disk.id: found.sha256}


def _tells(there: PointDisk, state: Mapping[str, Json]) -> bool:
    return there.changed is not None and state["since"] is not None


def _near(ranges: Sequence[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """The ranges within the disk, in order, those that lie near to each other made one (pure)."""
    inside = ((at, min(length, size - at)) for at, length in ranges if at < size)
    found: list[tuple[int, int]] = []
    for offset, length in planner.merged(inside):
        if found and offset - sum(found[-1]) <= _GAP:
            found[-1] = (found[-1][0], offset + length - found[-1][0])
        else:
            found.append((offset, length))
    return found


def _identity(means: Means, disk: WarmDisk, target: OpenTarget) -> dict[str, Json]:
    return {
        "source": [means.machine, disk.id, disk.size],
        "target": [*target.identity, target.object_size],
        "owner": means.owner,
    }


def _fingerprint(ranges: Sequence[tuple[int, int]]) -> str:
    return hashlib.sha256(repr(list(ranges)).encode()).hexdigest()


def _earlier(path: Path, identity: Mapping[str, Json]) -> Journal | None:
    """The journal of an attempt that was killed; one of another point or target counts for nothing, and goes."""
    if not path.exists():
        return None
    try:
        return Journal(path, identity)
    except OtherDisk:
        journal.remove(path)
        return None


def _copy_ranges(
    means: Means,
    state: Mapping[str, Json],
    disk: WarmDisk,
    reader: Reader,
    target: OpenTarget,
    ranges: Sequence[tuple[int, int]],
    note: str,
    kind: str = "changes",
) -> engine.Copied:
    path = means.journals(kind, disk)
    # Which ranges: what was noted for others counts for nothing.
    identity = {**_identity(means, disk, target), "point": state["point"], "ranges": _fingerprint(ranges)}
    notes = _earlier(path, identity)
    if notes is None:
        notes = Journal(path, identity)
    with closing(notes):
        done = _copy(means, disk, reader, target, notes, note, fresh=False, ranges=ranges)
    if kind != "changes":
        journal.remove(path)
    return done


def _copy(
    means: Means,
    disk: WarmDisk,
    reader: Reader,
    target: OpenTarget,
    notes: Journal,
    note: str,
    *,
    fresh: bool,
    ranges: Sequence[tuple[int, int]] | None = None,
) -> engine.Copied:
    return engine.copy(
        reader,
        target.writer,
        notes,
        fresh=fresh,
        ranges=ranges,
        source=f"{means.machine}/{disk.id}",
        settings=engine.Settings(in_flight=means.in_flight, object_size=target.object_size),
        throttles=means.throttles,
        guards=means.guards(target),
        progress=lambda done, total: means.progress(done, total, note),
        pause_point=means.pause_point,
    )


def _compare(means: Means, disk: WarmDisk, reader: Reader, target: OpenTarget) -> Compared:
    note = _("comparison of {disk}").format(disk=disk.id)
    return compare.compare(
        reader,
        target.back,
        object_size=target.object_size,
        throttles=means.throttles,
        progress=lambda done, total: means.progress(done, total, note),
        pause_point=lambda: means.pause_point(None),
    )


def _read_back(
    reader: Reader, target: OpenTarget, ranges: Sequence[tuple[int, int]], means: Means | None = None
) -> None:
    """Raise StepFailed when the target does not hold in these ranges what the source does."""
    for one in ranges:
        if means is not None:
            means.pause_point(None)
        wrong = compare.differing(reader, target.back, [one])
        if wrong:
            raise StepFailed(
                _("{name} does not hold what was read from the source, from byte {offset} on.").format(
                    name=getattr(target.back, "name", "?"), offset=wrong[0][0]
                ),
                _("The target is not complete, or something else wrote to it: run the job again."),
            )
