"""One disk into one target: copied by the engine, noted in the journal of its step, and read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blue_wizard import config
from blue_wizard.jobs.actions import Args, Context
from blue_wizard.jobs.model import Json
from blue_wizard.migrate.extents import Reader
from blue_wizard.migrate.sources import open_source
from blue_wizard.migrate.transfer import engine, journal, planner, verify
from blue_wizard.migrate.transfer.journal import Journal, OtherDisk
from blue_wizard.migrate.transfer.limits import buckets
from blue_wizard.migrate.transfer.planner import Summary
from blue_wizard.migrate.transfer.writer import Writer
from blue_wizard.text import _

__all__ = ["Work", "begin", "carry_on", "forget", "has_begun", "identity", "in_flight", "move", "survey"]


def _path(ctx: Context) -> Path:
    return config.load().state_dir / "transfers" / f"{ctx.job_id}.{ctx.step_id}"


def has_begun(ctx: Context) -> bool:
    """True when an earlier attempt of this step has noted something."""
    return _path(ctx).exists()


@dataclass(frozen=True)
class Work:
    """A disk that is going to be copied, and what its map says of that."""

    disk: Reader
    surveyed: Summary
    object_size: int


def survey(disk: Reader, object_size: int = planner.OBJECT_SIZE) -> Work:
    """Look at the map of a disk; none of its data is read."""
    return Work(disk, engine.survey(disk, fresh=True, object_size=object_size), object_size)


def identity(args: Args, work: Work, target: Sequence[Json]) -> dict[str, Json]:
    """What a journal speaks of: this very disk as it is now, and this very target."""
    return {
        "source": [args["source"], args["machine"], args["disk"], args["size"], engine.stamp(work.disk)],
        "map": work.surveyed.fingerprint,
        "target": [*target, work.object_size],
    }


def carry_on(ctx: Context, identity: Mapping[str, Json]) -> Journal | None:
    """The journal of an earlier attempt with this very disk and target; None where there is none."""
    path = _path(ctx)
    if not path.exists():
        return None
    try:
        return Journal(path, identity)
    except OtherDisk as e:
        ctx.event("note", e.message)
        journal.remove(path)
        return None


def begin(ctx: Context, identity: Mapping[str, Json]) -> Journal:
    """A journal that knows nothing yet: the target has to read as zeroes."""
    journal.remove(_path(ctx))
    return Journal(_path(ctx), identity)


def forget(ctx: Context) -> None:
    """Remove what the step has noted."""
    journal.remove(_path(ctx))


def in_flight() -> int:
    """Objects of one disk that are in memory at once."""
    return config.load().transfer.in_flight


def move(
    ctx: Context,
    args: Args,
    work: Work,
    writer: Writer,
    back: Reader,
    notes: Journal,
    *,
    where: str,
    guards: Sequence[Callable[[int], None]] = (),
) -> dict[str, Json]:
    """Copy what the journal does not know yet into `writer`, then read all of it `back`. The journal is kept.

    `where` is the target's name for limits of bandwidth (a pool, a host, a folder). Returns ``{size, moved, resumed, seconds,
    sha256}``: bytes, seconds, hex. Raises StepFailed when the target does not hold what was read.
    """
    copied = engine.copy(
        work.disk,
        writer,
        notes,
        fresh=True,
        surveyed=work.surveyed,
        source=f"{args['machine']}/{args['disk']}",
        settings=engine.Settings(in_flight=in_flight(), object_size=work.object_size),
        throttles=buckets(
            source=open_source(args["source"]).target,
            pool=where,
            job=ctx.job_id.partition(".")[0],
            max_rate=args.get("max_rate") or "",
        ),
        guards=guards,
        progress=lambda done, total: ctx.progress(done, total, note=_("copy")),
        pause_point=ctx.pause_point,
    )
    sha256 = verify.sha256(
        back,
        size=args["size"],
        object_size=work.object_size,
        expected=verify.Expected(engine.plan(work.disk, fresh=True, object_size=work.object_size), notes),
        progress=lambda done: ctx.progress(done, args["size"], note=_("verify")),
        pause_point=ctx.pause_point,
    )
    ctx.event("verify", "sha256", target=sha256, objects=len(notes), objects_sha256=notes.root())
    return {
        "size": args["size"],
        "moved": copied.moved,
        "resumed": copied.resumed,
        "seconds": round(copied.seconds, 3),
        "sha256": sha256,
    }
