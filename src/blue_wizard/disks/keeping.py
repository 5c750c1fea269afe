"""The keyring of an OSD, kept by the monitors while the OSD is away, so that it can be given back."""

from __future__ import annotations

from blue_wizard import masking
from blue_wizard.disks.world import World, kept_name
from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.text import _

__all__ = ["ForgetKey", "KeepKey"]

_ENOENT = 2


@action("osd.key.keep")
class KeepKey(Action):
    """args: cloud, host, osd, put and rm (the words for it of this release). It goes by stdin: no key is on any argv."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It is kept by this job."""
        world = World(ctx, args)
        there = world.ceph.run("config-key", "exists", kept_name(world.osd))[0] == 0
        return {"kept": True} if there and ctx.noted("began") else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Keep it; an OSD without a key has nothing to keep."""
        world = World(ctx, args)
        status, keyring, error = world.ceph.run("auth", "get", f"osd.{world.osd}")
        if status == _ENOENT:
            return {"kept": False}
        if status != 0:
            raise StepFailed(_("The key of osd.{id} can't be read: {error}").format(id=world.osd, error=error.strip()))
        masking.learn(
            *(line.split("=", 1)[1].strip() for line in keyring.splitlines() if line.strip().startswith("key ="))
        )
        ctx.note("began", True)
        ctx.event("effect", f"ceph config-key {args['put']} {kept_name(world.osd)}")
        world.ceph.check("config-key", args["put"], kept_name(world.osd), "-i", "-", stdin=keyring)
        return {"kept": True}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Forget it."""
        if ctx.noted("began"):
            _forget(ctx, args)


@action("osd.key.forget")
class ForgetKey(Action):
    """args: cloud, host, osd, rm."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It is not kept any more."""
        world = World(ctx, args)
        return {} if world.ceph.run("config-key", "exists", kept_name(world.osd))[0] != 0 else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Forget it."""
        _forget(ctx, args)
        return {}


def _forget(ctx: Context, args: Args) -> None:
    world = World(ctx, args)
    if world.ceph.run("config-key", "exists", kept_name(world.osd))[0] == 0:
        ctx.event("effect", f"ceph config-key {args['rm']} {kept_name(world.osd)}")
        world.ceph.check("config-key", args["rm"], kept_name(world.osd))
