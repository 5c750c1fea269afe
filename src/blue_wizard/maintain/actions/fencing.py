"""Power by the host's BMC: off as the proof that a dead host is dead, on when it is given back."""

from __future__ import annotations

from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.jobs.polling import poll
from blue_wizard.maintain.actions import cordon
from blue_wizard.reach import bmc
from blue_wizard.text import _

__all__ = ["PowerOff", "PowerOn"]

_POWER_S = 180.0


def _wait(ctx: Context, host: str, state: str) -> None:
    def there() -> bool | None:
        try:
            return True if bmc.power_state(host) == state else None
        except StepFailed:
            # Some answer nothing while they switch.
            return None

    poll(there, _("the BMC of {host} to say {state}").format(host=host, state=state), timeout_s=_POWER_S,
         check_stop=ctx.check_stop)  # fmt: skip


@action("maintain.host.power-off")
class PowerOff(Action):
    """args: cloud, host, service. Only for a host whose nova-compute is dead."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """Its BMC says that it is off."""
        return {"ours": bool(ctx.noted("ours"))} if bmc.power_state(args["host"]) == bmc.OFF else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Switch it off, hard, and wait until its BMC says so. Raises StepFailed when nova-compute answers after all."""
        if cordon.service_of(args).up:
            raise StepFailed(_("nova-compute on {host} answers: it is not dead.").format(host=args["host"]))
        ctx.note("ours", True)
        ctx.event("effect", "switch host off", host=args["host"])
        bmc.reset(args["host"], "ForceOff")
        _wait(ctx, args["host"], bmc.OFF)
        return {"ours": True}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """Its BMC says that it is off."""
        state = bmc.power_state(args["host"])
        if state != bmc.OFF:
            raise StepFailed(_("{host} is not off: its BMC says {state}.").format(host=args["host"], state=state))

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """What was dead stays off. Raises StepFailed to say so."""
        if ctx.noted("ours") and bmc.power_state(args["host"]) == bmc.OFF:
            raise StepFailed(
                _("{host} stays off.").format(host=args["host"]), _("Switch it on by its BMC once it is sound.")
            )


@action("maintain.host.power-on")
class PowerOn(Action):
    """args: host."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It is on."""
        return {"on": True} if bmc.power_state(args["host"]) == bmc.ON else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Switch it on."""
        ctx.event("effect", "switch host on", host=args["host"])
        bmc.reset(args["host"], "On")
        _wait(ctx, args["host"], bmc.ON)
        return {"on": True}
