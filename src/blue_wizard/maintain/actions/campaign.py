"""What a campaign does with one host: wait for its turn, empty it, let it be worked on, give it back."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

from blue_wizard.errors import BlueWizardError, StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Outcome, Plan, State
from blue_wizard.jobs.polling import poll
from blue_wizard.maintain import enter, leave, nested, promised
from blue_wizard.reach import bmc, computes, ssh
from blue_wizard.text import _

__all__ = ["EmptyOne", "GiveBack", "Turn", "Work", "turn_of"]

_BAD = frozenset({State.FAILED, State.STUCK, State.CANCELLED, State.ROLLED_BACK, State.ROLLING_BACK})
_planning = threading.Lock()
_ARRIVE_S = 3600.0
_FOREVER_S = 30 * 24 * 3600.0


def turn_of(states: dict[str, str], mine: str, canary: str) -> tuple[bool, str]:
    """Whether a host's turn has come, and which host has failed ("" when none has) (pure). `states` are those of all hosts."""
    bad = next((host for host, state in states.items() if host != mine and State(state) in _BAD), "")
    return mine == canary or State(states.get(canary, State.DONE)) is State.DONE, bad


@action("maintain.campaign.turn")
class Turn(Action):
    """args: host, canary (the first host). The others wait until the first one is done, and nobody begins after a failure."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Wait for the first host."""

        def come() -> bool | None:
            ledger = Ledger()
            parent = ledger.job(ctx.job_id)["parent"]
            rows: list[dict[str, Any]] = ledger.jobs(parent=parent)
            states = {str(row["target"]): str(row["state"]) for row in rows}
            begins, bad = turn_of(states, args["host"], args["canary"])
            if bad:
                raise StepFailed(
                    _("The campaign has stopped: {bad} did not succeed.").format(bad=bad),
                    _("Nothing was done with {host}.").format(host=args["host"]),
                )
            return begins or None

        what = _("{host} to be done").format(host=args["canary"])
        poll(come, what, timeout_s=_FOREVER_S, check_stop=ctx.check_stop)
        return {"canary": args["canary"]}


@action("maintain.campaign.enter")
class EmptyOne(Action):
    """args: the parameters of `host enter`. The plan is made when the turn has come, and stands in the job's log."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Empty the host."""
        params = enter.Params.from_json(args["params"])
        later = [h for h in params.avoid if not _is_done(ctx, h)]
        wanted = replace(params, avoid=tuple(later))

        def made() -> Plan | None:
            # One after the other, so that each plan knows of those that were made before.
            with _planning:
                beside = promised.by_others(ctx.job_id)
                if params.host in beside.promised.values():
                    return None
                return nested.made(ctx, lambda: enter.planned(wanted, beside))

        what = _("servers of other hosts to arrive on {host}").format(host=params.host)
        plan = poll(made, what, timeout_s=_ARRIVE_S, check_stop=ctx.check_stop)
        nested.carry_out(ctx, lambda: plan)
        view = nested.view_of(ctx, plan)
        return {"view": view, "report": enter.report(view)}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Bring everything back."""
        nested.undo(ctx)


def _is_done(ctx: Context, host: str) -> bool:
    ledger = Ledger()
    rows: list[dict[str, Any]] = ledger.jobs(parent=ledger.job(ctx.job_id)["parent"])
    return any(row["target"] == host and row["state"] == State.DONE for row in rows)


@action("maintain.campaign.work")
class Work(Action):
    """args: host, run (argv, may be empty), reboot, timeout_s. The command is run again when its worker was killed under it."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Run the command, then reboot, and wait for another boot."""
        host = ssh.host(args["host"])
        outcome: dict[str, Any] = {}
        if args["run"] and not ctx.noted("ran"):
            ctx.event("effect", "run on host", host=args["host"], argv=list(args["run"]))
            result = host.run(args["run"], timeout_s=args["timeout_s"], root=True)
            if result.status != 0:
                text = _("The command on {host} ended with {status}: {error}")
                error = (result.stderr or result.stdout).strip()[-400:]
                raise StepFailed(text.format(host=args["host"], status=result.status, error=error))
            ctx.note("ran", True)
            outcome = {"took_s": round(result.took_s, 1)}
        if args["reboot"]:
            boot = ctx.noted("boot")
            if boot is None:
                boot, _kernel = computes.boot_of(args["host"])
                ctx.note("boot", boot)
                ctx.event("effect", "reboot host", host=args["host"])
                # The connection may end before the command's answer comes.
                _try_to_reboot(host)
            outcome["boot"] = _rebooted(ctx, args, boot)
        return outcome


def _try_to_reboot(host: ssh.Host) -> None:
    try:
        host.run(["systemctl", "reboot"], timeout_s=30, root=True)
    except BlueWizardError:
        return


def _rebooted(ctx: Context, args: Args, before: str) -> str:
    """The boot after; a host that does not come back from its own reboot is restarted by its BMC, where it has one."""
    if bmc.known(args["host"]) and not ctx.noted("restarted"):
        try:
            return _other_boot(ctx, {**args, "timeout_s": args["timeout_s"] / 2}, before)
        except StepFailed:
            ctx.note("restarted", True)
            ctx.event("effect", "restart host by its BMC", host=args["host"])
            bmc.reset(args["host"], "ForceRestart")
    return _other_boot(ctx, args, before)


def _other_boot(ctx: Context, args: Args, before: str) -> str:
    def back() -> str | None:
        try:
            boot, _kernel = computes.boot_of(args["host"])
        except BlueWizardError:
            return None
        return boot if boot != before else None

    what = _("{host} to be back after its reboot").format(host=args["host"])
    return poll(back, what, timeout_s=args["timeout_s"], check_stop=ctx.check_stop)


@action("maintain.campaign.leave")
class GiveBack(Action):
    """args: the parameters of `host leave`, and entered (the id of the step that emptied the host)."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Give the host back."""
        view = ctx.outcome(args["entered"])["view"]
        params = leave.Params(**{**args["params"], "job": ctx.job_id})
        plan = nested.carry_out(ctx, lambda: leave.plan_from(params, view))
        return {"report": leave.report(nested.view_of(ctx, plan))}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Close it again; the step that emptied it brings its servers back afterwards."""
        nested.undo(ctx)
