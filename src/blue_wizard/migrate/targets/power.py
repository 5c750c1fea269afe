"""The cut-over at the source: a machine that runs is shut down, with consent given in the wave."""

from __future__ import annotations

import time

from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.migrate.machine import Power
from blue_wizard.migrate.sources import PowerControl, open_source
from blue_wizard.migrate.warm.protocol import PowerCut
from blue_wizard.text import _

__all__ = ["PowerOff"]


@action("source.power.off")
class PowerOff(Action):
    """args: source, machine, timeout, cut? (consent to switch it off when the guest does not obey in time).

    The outcome's `down_at` is when the tenant's downtime began.
    """

    def _control(self, args: Args) -> PowerControl:
        source = open_source(args["source"])
        if not isinstance(source, PowerControl):
            raise StepFailed(_("The source {url} has no power control.").format(url=args["source"]))
        return source

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It is off, and it was on when we began: a machine that was off by itself is not ours to start later."""
        if self._control(args).power(args["machine"]) is not Power.OFF:
            return None
        return {"was": ctx.noted("was") or Power.OFF.value, "down_at": ctx.noted("down_at") or time.time()}

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Ask the guest to shut down, and wait."""
        ctx.note("was", Power.ON.value)
        ctx.note("down_at", time.time())
        ctx.event("effect", "shut down source", machine=args["machine"])
        control = self._control(args)
        try:
            control.shut_down(args["machine"], timeout_s=args["timeout"], check_stop=ctx.check_stop)
        except StepFailed as e:
            if not args.get("cut") or not isinstance(control, PowerCut):
                raise
            ctx.event("warning", e.message)
            ctx.event("effect", "switch off source", machine=args["machine"])
            control.cut_power(args["machine"])
        return {"was": Power.ON.value, "down_at": ctx.noted("down_at")}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Start it again if it was us who shut it down."""
        if ctx.noted("was") == Power.ON.value:
            control = self._control(args)
            # A guest that was asked and is still shutting down would be off a moment after it was found running.
            if outcome is None:
                _settle(control, args["machine"])
            ctx.event("effect", "start source", machine=args["machine"])
            control.start(args["machine"])

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Start it, where we shut it down."""
        return (
            _("start {machine} at {source}").format(machine=args["machine"], source=args["source"])
            if ctx.noted("was") == Power.ON.value
            else ""
        )


def _settle(control: PowerControl, machine: str, *, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and control.power(machine) is not Power.OFF:
        time.sleep(0.5)
