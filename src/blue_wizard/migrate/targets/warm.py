"""The steps of a warm migration: prepare the source, copy while it runs, cut over, finish, and leave nothing there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from blue_wizard import config
from blue_wizard.errors import BlueWizardError, StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Json, Outcome
from blue_wizard.migrate.extents import Reader
from blue_wizard.migrate.machine import Power
from blue_wizard.migrate.sources import PowerControl, open_source
from blue_wizard.migrate.targets import copying, disks, origin
from blue_wizard.migrate.targets.common import ceph_access
from blue_wizard.migrate.targets.power import PowerOff
from blue_wizard.migrate.transfer import journal
from blue_wizard.migrate.transfer.limits import buckets
from blue_wizard.migrate.transfer.rbd_image import RbdImage
from blue_wizard.migrate.transfer.space import SpaceGuard
from blue_wizard.migrate.transfer.writer import Writer
from blue_wizard.migrate.warm.budget import Estimate, Round
from blue_wizard.migrate.warm.converge import converge, first_copy
from blue_wizard.migrate.warm.protocol import WarmReading
from blue_wizard.migrate.warm.rounds import Means, WarmDisk, fresh_state, run_round
from blue_wizard.reach import ceph
from blue_wizard.text import _

__all__ = ["CutOver", "FinishWarm", "ForgetSource", "PrepareSource", "WarmCopy"]

ANYWAY = "anyway"
"""The answer of a person who cuts over although it takes longer than was allowed."""

_SLICE_S = 0.5


def _source(args: Args) -> WarmReading:
    source = open_source(args["source"])
    if not isinstance(source, WarmReading):
        raise StepFailed(_("The source {url} can't be read while its machines run.").format(url=args["source"]))
    return source


def _owner(ctx: Context) -> str:
    """The word that everything of this job at the source carries."""
    return f"blue-wizard-{ctx.job_id}"


class _RbdTarget:
    """An image of ours: an `OpenTarget` that is opened for writing only when it is written to, or read back."""

    def __init__(self, pool: ceph.Pool, image: str) -> None:
        self._pool, self._image = pool, image
        self._open: RbdImage | None = None
        with closing(RbdImage(pool, image, read_only=True)) as looked_at:
            self.identity = [pool.fsid(), pool.name, image, looked_at.identity()]
            self.object_size = looked_at.object_size()

    @property
    def writer(self) -> Writer:
        """The image."""
        return self._opened()

    @property
    def back(self) -> Reader:
        """The same one."""
        return self._opened()

    def _opened(self) -> RbdImage:
        if self._open is None:
            self._open = RbdImage(self._pool, self._image)
        return self._open

    def make_blank(self) -> None:
        """Give back what it holds."""
        assert self._open is None, "an open image is not emptied"
        if not self._pool.blank(self._image):
            self._pool.empty(self._image)

    def close(self) -> None:
        """Close it if it was opened."""
        if self._open is not None:
            self._open.close()


def _journal(ctx: Context, kind: str, number: int) -> Path:
    return config.load().state_dir / "transfers" / f"{ctx.job_id}.{ctx.step_id}.{kind}.{number}"


def _forget_journals(ctx: Context, args: Args) -> None:
    for number in range(len(args["disks"])):
        for kind in ("full", "changes", "repair"):
            journal.remove(_journal(ctx, kind, number))


@contextmanager
def _means(ctx: Context, args: Args, before: Mapping[str, Json]) -> Iterator[Means]:
    """What the rounds of this step work with; `before` is the state that it begins with."""
    access = ceph_access(args["cloud"])
    volumes = {d["disk"]: d["volume"] for d in args["disks"]}
    numbers = {d["disk"]: i for i, d in enumerate(args["disks"])}
    with ceph.open_pool(access, direct=True) as pool:

        @contextmanager
        def target_of(disk: WarmDisk) -> Iterator[_RbdTarget]:
            image = disks.image_of(ctx.outcome(volumes[disk.id])["volume_id"])
            disks.wait_for_dead_writer(ctx, pool, image, begun=ctx.noted("state") is not None)
            disks.prove(ctx, {**args, "volume": volumes[disk.id]}, pool)
            with closing(_RbdTarget(pool, image)) as target:
                yield target

        yield Means(
            source=_source(args),
            machine=args["machine"],
            owner=_owner(ctx),
            disks=[WarmDisk(d["disk"], d["size"]) for d in args["disks"]],
            open_target=target_of,
            open_source=lambda export, disk: origin.reading(
                export, {"machine": args["machine"], "disk": disk.id, "size": disk.size}
            ),
            journals=lambda kind, disk: _journal(ctx, kind, numbers[disk.id]),
            recall=lambda: ctx.noted("state") or before,
            remember=lambda state: ctx.note("state", dict(state)),
            tell=ctx.event,
            progress=lambda done, total, note: ctx.progress(done, total, note=note),
            pause_point=ctx.pause_point,
            throttles=buckets(
                source=open_source(args["source"]).target,
                pool=pool.name,
                job=ctx.job_id.partition(".")[0],
                max_rate=args.get("max_rate") or "",
            ),
            guards=lambda target: [
                SpaceGuard(pool.name, lambda: disks.free(access), copying.in_flight() * target.object_size)
            ],
            in_flight=copying.in_flight(),
        )


def _rest(ctx: Context, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ctx.pause_point()
        time.sleep(_SLICE_S)


@action("source.warm.prepare")
class PrepareSource(Action):
    """args: source, machine. What it changes at the source is put back by its undo, and by the last step."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Note how it was, and change it."""
        source = _source(args)
        if ctx.noted("was") is None:
            ctx.note("was", {"state": source.warm_state(args["machine"])})
        ctx.event("effect", "prepare source", machine=args["machine"])
        source.prepare(args["machine"])
        return {"was": ctx.noted("was")["state"]}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """As it was."""
        if ctx.noted("was") is not None:
            ctx.event("effect", "put source back", machine=args["machine"])
            _source(args).forget(args["machine"], _owner(ctx), ctx.noted("was")["state"])


@action("warm.copy")
class WarmCopy(Action):
    """args: cloud, source, machine, disks [{disk, size, volume}], downtime (s), rounds, check, max_rate."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Copy all of it, and then what changes, until the rest fits the downtime."""
        ctx.event("effect", "copy while it runs", machine=args["machine"])
        with _means(ctx, args, fresh_state()) as means:
            left = first_copy(
                means,
                budget_s=args["downtime"],
                bound=args["rounds"],
                check=args["check"],
                rest=lambda seconds: _rest(ctx, seconds),
            )
            return {"state": dict(means.recall()), **_verdict(left, args)}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Nothing of ours stays at the source; the targets go with their volumes."""
        _forget_journals(ctx, args)
        ctx.event("effect", "clean source", machine=args["machine"])
        _source(args).forget(args["machine"], _owner(ctx), None)

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Look for what carries the job's name."""
        return _("remove what is called {owner} from {machine} at {source}").format(
            owner=_owner(ctx), machine=args["machine"], source=args["source"]
        )


def _verdict(left: Estimate, args: Args) -> dict[str, Json]:
    return {"estimate": left.as_json(), "fits": left.seconds <= args["downtime"]}


@action("warm.cut")
class CutOver(PowerOff):
    """args: those of `warm.copy` and of `source.power.off`, and copied (the id of the step that has copied it).

    In one step, so that nothing comes between the last round that fits and the end of the service.
    """

    def _before(self, ctx: Context, args: Args) -> dict[str, Json]:
        before: dict[str, Json] = dict(ctx.noted("state") or ctx.outcome(args["copied"])["state"])
        return before

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It is off."""
        found = super().probe(ctx, args)
        return None if found is None else {**found, "state": self._before(ctx, args)}

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Catch up with what changed since, and shut it down when the rest fits."""
        verdict: dict[str, Json] = {}
        # A killed attempt that had asked the guest already does not copy while it goes down.
        if ctx.noted("was") is None:
            with _means(ctx, args, self._before(ctx, args)) as means:
                verdict = self._catch_up(ctx, args, means)
        done = super().do(ctx, args)
        return {**done, **verdict, "state": self._before(ctx, args)}

    def _catch_up(self, ctx: Context, args: Args, means: Means) -> dict[str, Json]:
        def rest(seconds: float) -> None:
            _rest(ctx, seconds)

        bound = len(ctx.outcome(args["copied"])["state"]["rounds"]) + args["rounds"]
        # Hours may have passed since the last round: what it says of the rest is old.
        run_round(means)
        left = converge(means, budget_s=args["downtime"], bound=bound, check=args["check"], rest=rest)
        verdict = _verdict(left, args)
        if not verdict["fits"] and ctx.answer() != ANYWAY:
            raise StepFailed(
                _("{machine} is not shut down: what is left would take {seconds} s, allowed are {downtime} s.").format(
                    machine=args["machine"], seconds=round(left.seconds), downtime=args["downtime"]
                ),
                _(
                    "It runs on. Allow more (downtime in the wave), check less (check: changed), or cut over with --anyway."
                ),
            )
        return verdict


@action("warm.finish")
class FinishWarm(Action):
    """args: those of `warm.copy`, and off (the id of the step that shut it down)."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """What was copied and compared by an attempt that could not say so any more."""
        made = ctx.noted("made")
        return dict(made) if made and self._power(args) is Power.OFF else None

    def _power(self, args: Args) -> Power:
        source = open_source(args["source"])
        return source.power(args["machine"]) if isinstance(source, PowerControl) else Power.UNKNOWN

    def do(self, ctx: Context, args: Args) -> Outcome:
        """The last round, with the machine off, and the comparison of the target with the source."""
        self._stands_still(args)
        before = ctx.outcome(args["off"])["state"]
        ctx.event("effect", "last round", machine=args["machine"])
        with _means(ctx, args, before) as means:
            # An attempt that was killed behind its round has all that this one would find.
            if len(means.recall()["rounds"]) == len(before["rounds"]):
                run_round(means, check=args["check"])
            state = dict(means.recall())
        self._stands_still(args)
        last = Round.from_json(state["rounds"][-1])
        for disk, sha256 in state["sha256"].items():
            ctx.event("verify", "sha256", disk=disk, target=sha256)
        pool = ceph_access(args["cloud"]).pool
        outcome = {
            "disks": [_disk(ctx, d, state, pool) for d in args["disks"]],
            "rounds": state["rounds"],
            "seconds": round(last.seconds, 3),
            "check": args["check"],
        }
        ctx.note("made", outcome)
        _forget_journals(ctx, args)
        return outcome

    def _stands_still(self, args: Args) -> None:
        if self._power(args) is Power.ON:
            raise StepFailed(
                _("{machine} was started, and its disks change while they are copied").format(machine=args["machine"])
            )

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """The images go with their volumes; what was noted of them goes here."""
        _forget_journals(ctx, args)


def _disk(ctx: Context, planned: Mapping[str, Any], state: Mapping[str, Any], pool: str) -> dict[str, Json]:
    moved = state["moved"].get(planned["disk"], {"bytes": 0, "seconds": 0.0})
    image = disks.image_of(ctx.outcome(planned["volume"])["volume_id"])
    return {
        "source": planned["disk"],
        "size": planned["size"],
        "moved": moved["bytes"],
        "seconds": moved["seconds"],
        "sha256": state["sha256"].get(planned["disk"]),
        "target": f"rbd:{pool}/{image}",
    }


@action("warm.forget")
class ForgetSource(Action):
    """args: source, machine, prepared? (the id of the step that prepared it). The service is up: nothing here may stop it."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Leave nothing of ours at the source."""
        was = ctx.outcome(args["prepared"])["was"] if args.get("prepared") else None
        ctx.event("effect", "clean source", machine=args["machine"])
        try:
            _source(args).forget(args["machine"], _owner(ctx), was)
        except BlueWizardError as e:
            # The server is up and its users are on it: that is not undone over a bitmap that is left.
            text = _("At the source something of ours is left: {error}").format(error=e.message)
            ctx.event("warning", text)
            return {"left": text}
        return {"left": ""}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Nothing: the steps before it clean up by themselves."""
