"""The light at a disk's slot, where the hardware has one. It is a help for a person, and never a proof: nothing depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blue_wizard.disks.world import World, shown
from blue_wizard.errors import BlueWizardError
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome

__all__ = ["Dark", "Light", "taken_back"]


@action("osd.light")
class Light(Action):
    """args: cloud, host, osd, disk, commands (ways to switch it on, the first that works counts), off (one for each)."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Switch it on. The outcome's `way` is the number of the way that worked, -1 when none did.

        Ceph's way is taken back when it fails: the manager counts a light as on, and warns of it for good, before it has asked
        anybody to switch it on (mgr/orchestrator, `light_on`).
        """
        world = World(ctx, args)
        for way, command in enumerate(args["commands"]):
            ctx.note("began", way)
            if _works(ctx, world, args, command):
                return {"way": way}
            if taken_back(command):
                _works(ctx, world, args, args["off"][way])
        ctx.note("began", -1)
        return {"way": -1}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Switch it off again."""
        way = ctx.noted("began")
        if way is not None and way >= 0:
            _works(ctx, World(ctx, args), args, args["off"][way])


@action("osd.dark")
class Dark(Action):
    """args: cloud, host, osd, disk, commands (one for each way), from (the step that switched it on)."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Switch it off by the way that worked."""
        way = int(ctx.outcome(args["from"])["way"])
        if way >= 0:
            _works(ctx, World(ctx, args), args, args["commands"][way])
        return {"way": way}


def taken_back(command: Mapping[str, Any]) -> bool:
    """Whether something is left of a command that could not switch the light on."""
    return bool(command["on"] == "ceph")


def _works(ctx: Context, world: World, args: Args, command: Args) -> bool:
    ctx.event("effect", shown(command, args["host"]))
    try:
        return world.run(command, changes=True)[0] == 0
    except BlueWizardError:
        return False
