"""Servers that are shut down with consent, and started again."""

from __future__ import annotations

from typing import ClassVar

from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.jobs.polling import poll
from blue_wizard.maintain import moving, patient
from blue_wizard.reach.openstack import client_command
from blue_wizard.text import _

__all__ = ["Rest", "Start"]

_TIMEOUT_S = 600.0


class _Switch(Action):
    """args: cloud, server, name. `ours` in the outcome: it was this step that switched it."""

    call: ClassVar[str]
    back: ClassVar[str]
    state: ClassVar[str]
    other: ClassVar[str]
    word: ClassVar[str]

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It is in that state, or gone."""
        now = moving.server_now(patient.connect(args["cloud"], ctx), args["server"])
        if now is None:
            return {"ours": False, "note": _("was deleted meanwhile")}
        settled = now.vm_state == self.state and not now.task_state
        return {"ours": bool(ctx.noted("ours")), "note": ""} if settled else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Switch it, and wait."""
        ctx.note("ours", True)
        ctx.event("effect", f"{self.call} server", server=args["server"])
        self._switch(ctx, args, self.call, self.state)
        return {"ours": True, "note": ""}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Switch it back when it was us."""
        now = moving.server_now(patient.connect(args["cloud"], ctx), args["server"])
        if ctx.noted("ours") and now is not None and (now.vm_state != self.other or now.task_state):
            ctx.event("effect", f"{self.back} server", server=args["server"])
            self._switch(ctx, args, self.back, self.other)

    def _switch(self, ctx: Context, args: Args, call: str, state: str) -> None:
        cloud = patient.connect(args["cloud"], ctx)
        asked = False

        def there() -> bool | None:
            nonlocal asked
            now = moving.server_now(cloud, args["server"])
            if now is None or (now.vm_state == state and not now.task_state):
                return True
            if now.vm_state == "error":
                raise StepFailed(_("Server {name} went into ERROR.").format(name=args["name"]))
            if not now.task_state and not asked:
                asked = patient.sent(ctx, cloud, f"/servers/{args['server']}/action", {call: None})
            return None

        what = _("server {name} to be {state}").format(name=args["name"], state=state)
        poll(there, what, timeout_s=_TIMEOUT_S, check_stop=ctx.check_stop)

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Switch it back."""
        return client_command(args["cloud"], "server", self.word, args["server"]) if ctx.noted("ours") else ""


@action("nova.server.rest")
class Rest(_Switch):
    """Shut a server down."""

    call, back, state, other, word = "os-stop", "os-start", "stopped", "active", "start"


@action("nova.server.wake")
class Start(_Switch):
    """Start a server."""

    call, back, state, other, word = "os-start", "os-stop", "active", "stopped", "stop"
