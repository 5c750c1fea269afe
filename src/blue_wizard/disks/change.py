"""The one verb of most steps: run the plan's commands until the plan's condition holds; and back.

What is approved is what runs: the argv lists stand in the plan, and nothing else is executed. The condition is looked at first,
so a repeated step does nothing twice; what already was so before we came is never taken back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from blue_wizard.disks import safety
from blue_wizard.disks.identity import stray_text, strays
from blue_wizard.disks.survey import look_at, read_cluster
from blue_wizard.disks.world import World, shown
from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Json, Outcome
from blue_wizard.reach.faults import Fault, NotReached
from blue_wizard.text import _

__all__ = ["Change", "guard"]

_EVERY_S, _SELDOM_S = 1.0, 5.0
_TRIES, _AGAIN_S, _PATIENCE_S = 3, 20.0, 900.0
_PASSING = frozenset({Fault.UNREACHABLE, Fault.LOST})


class NotYet(StepFailed):
    """A safety rule says no as things are now."""


def _no_way_back(ctx: Context, args: Args) -> bool:
    """Whether the old OSD can't come back; also where its host can't be asked, and the swap was done."""
    if args.get("lost"):
        return True
    try:
        return World(ctx, args).past_return()
    except (NotReached, StepFailed):
        try:
            return bool(ctx.outcome("swap"))
        except KeyError:
            return False


@action("osd.change")
class Change(Action):
    """args: cloud, host, osd, disk, commands, until, wait_s, guard, back, back_until, lost (what can't be taken back).

    The outcome's `ours` is false when the condition held before the job came.
    """

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """The condition holds. A host that can't be asked says nothing: `do` waits for it where there is no way back."""
        try:
            held = World(ctx, args).holds(args["until"])
        except (NotReached, StepFailed):
            if not _no_way_back(ctx, args):
                raise
            return None
        return {"ours": bool(ctx.noted("began"))} if held else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Judge once more what may be done, then run the commands and wait for the condition."""
        self._patiently(ctx, args, lambda: self._once(ctx, args))
        return {"ours": True}

    def _patiently(self, ctx: Context, args: Args, work: Callable[[], None]) -> None:
        """Where there is no way back the way on is tried again before a person is needed.

        What others have to mend (a host that is away, a label somewhere else) is waited for, but not for ever: recovery is held
        back meanwhile, and only the end of the job lets it go on.
        """
        left, end, said = _TRIES, time.monotonic() + _PATIENCE_S, ""
        while True:
            try:
                return work()
            except (NotReached, StepFailed) as e:
                waits = isinstance(e, NotYet) or getattr(e, "fault", None) in _PASSING
                left -= not waits
                if not left or time.monotonic() >= end or not _no_way_back(ctx, args):
                    raise
                if e.message != said or not waits:
                    ctx.event("again", _("Tried again in {seconds} s: {why}").format(seconds=_AGAIN_S, why=e.message))
                said = e.message
                ctx.progress(0, 1, unit="", note=e.message if waits else "")
                self._rest(ctx, _AGAIN_S)

    def _once(self, ctx: Context, args: Args) -> None:
        world = World(ctx, args)
        if ctx.noted("began") and world.holds(args["until"]):
            return
        guard(ctx, args)
        ctx.note("began", True)
        for command in args["commands"]:
            ctx.event("effect", shown(command, args["host"]))
        world.carry_out(args["commands"], lambda: world.holds(args["until"]))
        self._wait(ctx, world, args, "until")

    def _rest(self, ctx: Context, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ctx.pause_point()
            time.sleep(0.5)

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """The condition holds at a second look."""

        def look() -> None:
            if not World(ctx, args).holds(args["until"]):
                raise StepFailed(_("It did not last: {title}").format(title=args["said"]))

        self._patiently(ctx, args, look)

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Run the commands that lead back, unless we never began."""
        if not ctx.noted("began"):
            return
        if args.get("lost"):
            raise StepFailed(args["lost"])
        back = args.get("back") or []
        if not back:
            return
        world = World(ctx, args)
        if world.past_return():
            raise StepFailed(
                _("The old OSD can't come back: its disk was pulled or wiped. What it had is left as it is.")
            )
        conditions = args.get("back_until") or []
        if world.holds(conditions):
            return
        for command in back:
            ctx.event("effect", shown(command, args["host"]))
        world.carry_out(back, lambda: world.holds(conditions))
        if conditions:
            self._wait(ctx, world, args, "back_until")

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """The commands that lead back; where there is no way back, those that lead on."""
        commands = args["commands"] if args.get("lost") else args.get("back") or []
        return " && ".join(shown(c, args["host"]) for c in commands) if ctx.noted("began") else ""

    def _wait(self, ctx: Context, world: World, args: Args, which: str) -> None:
        end = time.monotonic() + float(args.get("wait_s") or 0)
        pause = _EVERY_S
        while not world.holds(args[which]):
            if time.monotonic() >= end:
                raise StepFailed(_("It had no effect: {title}").format(title=args["said"]))
            self._rest(ctx, pause)
            pause = min(pause * 1.5, _SELDOM_S)


def guard(ctx: Context, args: Args) -> None:
    """The safety rule that a step names, judged right before its effect. Raises StepFailed with the reason."""
    rule, osd = args.get("guard", ""), int(args["osd"])
    if not rule:
        return
    if rule == "lowest-id":
        known = {int(o["osd"]): o for o in World(ctx, args).ceph.json("osd", "dump")["osds"]}
        # Of an attempt of ours that was killed: the commands begin by taking it away.
        half = {osd} if ctx.noted("began") and osd in known and _never_ran(known[osd], args["uuid"]) else set()
        ids = known.keys() - half
        lowest = next(n for n in range(len(ids) + 1) if n not in ids)
        if lowest != osd:
            text = _("The next OSD would get id {lowest}, not {id}: another one was removed meanwhile.")
            raise NotYet(text.format(lowest=lowest, id=osd), _("Give that one back first."))
        return
    if rule == "no-labels":
        _no_labels(args)
        return
    cluster = read_cluster(args["cloud"])
    verdict = safety.safe_to_destroy(cluster, osd) if rule == "safe-to-destroy" else safety.ok_to_stop(cluster, [osd])
    if not verdict.ok:
        raise NotYet(_("It is not safe any more: {why}").format(why=verdict.reason))


def _never_ran(osd: Mapping[str, Json], old: str) -> bool:
    """An OSD that was only registered: not the old one, and no daemon of it was ever up."""
    return str(osd.get("uuid", "")) != old and not osd["up"] and not int(osd.get("up_from") or 0)


def _no_labels(args: Args) -> None:
    """No storage host has a disk that Kolla's next deployment would wipe."""
    cluster = read_cluster(args["cloud"])
    for name, host in look_at(cluster).items():
        if "disks" in host.failed:
            raise NotYet(_("The labels of {host} can't be read: {why}").format(host=name, why=host.failed["disks"]))
        for part in strays(host):
            raise NotYet(stray_text(name, part), _("Remove the label: sgdisk --change-name"))
