"""What a source has to be able to do so that its machines can be copied while they run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from blue_wizard.jobs.model import Json
from blue_wizard.migrate.source import Export

__all__ = ["PointDisk", "PowerCut", "Terms", "WarmReading"]


@dataclass(frozen=True)
class Terms:
    """On what terms a machine is copied while it runs.

    `blockers` say why it can't be. `prepare` says what has to be changed at the source first, and stays changed until the end
    ("changed block tracking is enabled"); "" when nothing has. `notes` are what a person should know of the way its changes are
    found ("disk vdb is raw: each round reads all of it").
    """

    blockers: tuple[str, ...] = ()
    prepare: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PointDisk:
    """One disk as it was at a point.

    `changed` are the ranges (offset, length) of it that may differ from what they were at the earlier point that was named: in
    any order, they may overlap, and may be too many but never too few. None when that can't be told; `why` says why not, in words.
    """

    export: Export
    changed: Sequence[tuple[int, int]] | None = None
    why: str = ""


@runtime_checkable
class WarmReading(Protocol):
    """An optional ability of a source (beside `PowerControl`): its machines can be read while they run.

    A point is a moment as of which all disks of a machine can be read, while the machine runs on. It is plain JSON without a
    secret: the job keeps it, so that a worker that comes after a crash finds it again. `owner` is a word of the job's own, of
    letters, digits, ``.`` and ``-``, the same after a crash; everything that is made at the source carries it in its name, and
    nothing without it is ever removed.

    The order of calls is always: `warm_state` and `prepare` (only where `Terms.prepare` says something); then for each round
    `begin_point`, `open_point` for each disk, `end_point`; in the end `forget`. A worker may die between any two of them, and
    in each of them.
    """

    def warm_terms(self, machine_id: str) -> Terms:
        """On what terms this machine is copied warm. Reads only."""

    def warm_state(self, machine_id: str) -> Json:
        """What `prepare` is going to change, as it is now: `forget` is given it. Reads only."""

    def prepare(self, machine_id: str) -> None:
        """Bring about what `Terms.prepare` says; nothing happens where that is so already."""

    def begin_point(self, machine_id: str, owner: str, disks: Sequence[str], since: Json | None) -> Json:
        """Make a point of all these disks together, and track what changes from it on.

        `since` is the earlier point that the target stands at; what the source needs to tell the changes since then has to
        stay until this point has been ended. Anything else of `owner` at the source is a dead attempt's, and is removed first.
        When the machine is off the point is what its disks hold now. Raises StepFailed.
        """

    def point_stands(self, machine_id: str, point: Json) -> bool:
        """True when the point can still be read as it was (a worker died, the source did not). Reads only."""

    def open_point(
        self, machine_id: str, point: Json, disk_id: str, since: Json | None
    ) -> AbstractContextManager[PointDisk]:
        """One disk as of the point, and what changed in it since the earlier point, for as long as the context lasts.

        Several disks may be open at once. What can't be told of the changes is said in `PointDisk.why`, never raised: the disk is
        then compared whole with the target. Raises StepFailed when the disk can't be read.
        """

    def end_point(self, machine_id: str, owner: str, point: Json) -> None:
        """The point has been read. From now on only what tells changes since it is needed. Nothing happens when it is gone."""

    def forget(self, machine_id: str, owner: str, was: Json | None) -> None:
        """Leave nothing of `owner` at the source, and put back what was prepared (`was` is from `warm_state`, or None).

        The power state stays as it is. It may be called at any time, also when nothing is there, and more than once.
        """


@runtime_checkable
class PowerCut(Protocol):
    """An optional ability beside `PowerControl`: a machine can be switched off without asking its guest."""

    def cut_power(self, machine_id: str) -> None:
        """Switch it off, so that what its disks were told to keep is kept; nothing happens when it is off. Raises StepFailed."""
