"""Flags of the OSD map that we set for a while: ours and those of others are kept apart, and only ours are taken off again."""

from __future__ import annotations

from blue_wizard.disks.world import World
from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.text import _

__all__ = ["FLAGS", "RestoreFlags", "SetFlags"]

FLAGS = ("noout", "nodeep-scrub", "norebalance", "norecover", "nobackfill")
"""While an OSD leaves the CRUSH map and comes back, no data moves, nobody is marked out and no deep scrub adds load."""


def _set_now(world: World) -> set[str]:
    return set(world.cluster().flags)


@action("osd.flags.set")
class SetFlags(Action):
    """args: cloud, host, osd, flags. The outcome's `ours` were off before and are on because of us."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """We have noted which are ours, and all are on."""
        ours = ctx.noted("ours")
        return {"ours": ours} if ours is not None and set(args["flags"]) <= _set_now(World(ctx, args)) else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Set what is off."""
        world = World(ctx, args)
        if ctx.noted("ours") is None:
            before = _set_now(world)
            ctx.note("ours", [f for f in args["flags"] if f not in before])
        ours: list[str] = ctx.noted("ours")
        for flag in ours:
            ctx.event("effect", f"ceph osd set {flag}")
            world.ceph.check("osd", "set", flag)
        return {"ours": ours}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """All are on."""
        missing = set(args["flags"]) - _set_now(World(ctx, args))
        if missing:
            raise StepFailed(_("Flags are not set: {flags}").format(flags=", ".join(sorted(missing))))

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Take off what is ours."""
        _take_off(ctx, args, ctx.noted("ours") or [])

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Take off what is ours."""
        return " && ".join(f"ceph osd unset {f}" for f in ctx.noted("ours") or [])


@action("osd.flags.restore")
class RestoreFlags(Action):
    """args: cloud, host, osd, from (the step that set them). Those that others had set stay."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """None of ours is on."""
        ours = ctx.outcome(args["from"])["ours"]
        return {"unset": ours} if not set(ours) & _set_now(World(ctx, args)) else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Take ours off; recovery first, since data may be waiting for it."""
        ours = ctx.outcome(args["from"])["ours"]
        _take_off(ctx, args, ours)
        return {"unset": ours}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """None of ours is on."""
        left = set(ctx.outcome(args["from"])["ours"]) & _set_now(World(ctx, args))
        if left:
            raise StepFailed(_("Flags of ours are still set: {flags}").format(flags=", ".join(sorted(left))))


def _take_off(ctx: Context, args: Args, ours: list[str]) -> None:
    world = World(ctx, args)
    on = _set_now(world)
    # What holds recovery back goes first: another disk may have failed meanwhile.
    for flag in sorted((f for f in ours if f in on), key=lambda f: f not in {"norecover", "nobackfill"}):
        ctx.event("effect", f"ceph osd unset {flag}")
        world.ceph.check("osd", "unset", flag)
