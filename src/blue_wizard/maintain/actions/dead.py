"""A dead host: a person makes sure that it is off, Nova is told, and its servers are built anew elsewhere."""

from __future__ import annotations

from blue_wizard.errors import BlueWizardError, StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.jobs.polling import poll
from blue_wizard.maintain import moving, patient
from blue_wizard.maintain.actions import cordon
from blue_wizard.reach import bmc, computes
from blue_wizard.text import _

__all__ = ["Evacuate", "ForceDown", "Gone", "LetUp"]

_AGREE_S = 120.0


def _force(args: Args, *, down: bool) -> None:
    body = {"forced_down": down}
    patient.connect(args["cloud"]).put("compute", f"/os-services/{args['service']}", body)


@action("nova.service.force-down")
class ForceDown(Action):
    """args: cloud, host, service, bmc (its BMC is asked for the proof that it is off).

    Without a BMC the answer to its question has to be the host's name, by who has made sure that it is off.
    """

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """Nova is told already."""
        return {"ours": bool(ctx.noted("ours"))} if cordon.service_of(args).forced_down else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Tell Nova that it is down. Raises StepFailed when that was not confirmed, or the host gives a sign of life."""
        if args.get("bmc"):
            state = bmc.power_state(args["host"])
            if state != bmc.OFF:
                raise StepFailed(_("{host} is not off: its BMC says {state}.").format(host=args["host"], state=state))
        elif (ctx.answer() or "").strip() != args["host"]:
            raise StepFailed(_("It was not confirmed by its name that {host} is off.").format(host=args["host"]))
        if cordon.service_of(args).up:
            raise StepFailed(_("nova-compute on {host} answers: it is not dead.").format(host=args["host"]))
        try:
            computes.boot_of(args["host"])
        except BlueWizardError:
            pass
        else:
            raise StepFailed(
                _("{host} answers over SSH: it is not off.").format(host=args["host"]),
                _("What runs there would run twice. Switch it off first."),
            )
        ctx.note("ours", True)
        ctx.event("effect", "force nova-compute down", host=args["host"])
        _force(args, down=True)
        return {"ours": True}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Let its own heartbeat count again."""
        if ctx.noted("ours") and cordon.service_of(args).forced_down:
            ctx.event("effect", "let nova-compute be up again", host=args["host"])
            _force(args, down=False)


@action("nova.service.let-up")
class LetUp(Action):
    """args: cloud, host, service. Lets a heartbeat count again that `ForceDown` had set aside."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It counts."""
        return None if cordon.service_of(args).forced_down else {"ours": bool(ctx.noted("ours"))}

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Let it count."""
        ctx.note("ours", True)
        ctx.event("effect", "let nova-compute be up again", host=args["host"])
        _force(args, down=False)
        return {"ours": True}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Set it aside again."""
        if ctx.noted("ours"):
            ctx.event("effect", "force nova-compute down", host=args["host"])
            _force(args, down=True)


@action("nova.server.evacuate")
class Evacuate(Action):
    """args: cloud, server, name, source, dest ("": Nova chooses), timeout_s."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It is elsewhere and settled, or gone."""
        now = moving.server_now(patient.connect(args["cloud"], ctx), args["server"])
        if now is None:
            return {"host": None, "note": _("was deleted meanwhile")}
        if now.host == args["source"] or now.task_state or now.vm_state not in {"active", "stopped"}:
            return None
        return {"host": now.host, "note": "" if ctx.noted("asked") else _("was moved by somebody else")}

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Ask Nova, and wait until it runs elsewhere."""
        cloud = patient.connect(args["cloud"], ctx)
        now = moving.server_now(cloud, args["server"])
        # A killed attempt's call sets the task before it is answered.
        if now is not None and now.host == args["source"] and not now.task_state:
            ctx.note("asked", True)
            ctx.event("effect", "evacuate server", server=args["server"], to=args["dest"])
            body = {"evacuate": {"host": args["dest"]} if args["dest"] else {}}
            cloud.post("compute", f"/servers/{args['server']}/action", body)

        def there() -> str | None:
            now = moving.server_now(cloud, args["server"])
            if now is None:
                return ""
            newest = next((m for m in moving.migrations_of(cloud, args["server"]) if m.kind == "evacuation"), None)
            if not now.task_state and newest is not None and newest.failed:
                why = moving.failure_of(cloud, args["server"]) or newest.status
                text = _("Nova could not move server {name} to {dest}: {why}")
                raise StepFailed(text.format(name=args["name"], dest=args["dest"] or "?", why=why))
            return now.host if now.host != args["source"] and not now.task_state else None

        what = _("server {name} to arrive on {dest}").format(name=args["name"], dest=args["dest"] or "?")
        host = poll(there, what, timeout_s=args["timeout_s"], check_stop=ctx.check_stop)
        return {"host": host or None, "note": "" if host else _("was deleted meanwhile")}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """Host, task, libvirt over there, and the binding of each port; its old host can't be asked."""
        if outcome["host"] is None or outcome["note"]:
            return
        cloud, found = patient.connect(args["cloud"], ctx), [""]

        def agreed() -> bool | None:
            found[:] = moving.look(cloud, args["server"], outcome["host"], outcome["host"], None)
            return None if found else True

        try:
            poll(agreed, "", timeout_s=_AGREE_S, check_stop=ctx.check_stop)
        except StepFailed:
            text = _("Server {name} has not arrived for sure: {found}")
            raise StepFailed(text.format(name=args["name"], found="; ".join(found))) from None

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """There is no way back: raises StepFailed when it was evacuated."""
        now = moving.server_now(patient.connect(args["cloud"], ctx), args["server"])
        if ctx.noted("asked") and now is not None and now.host != args["source"]:
            raise StepFailed(
                _("Server {name} stays on {host}: an evacuation can't be undone.").format(
                    name=args["name"], host=now.host
                )
            )


@action("maintain.host.gone")
class Gone(Action):
    """args: cloud, host, staying. Of a dead host only Nova can be asked: its allocations go when its nova-compute is back."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """See that Nova has nothing on it any more, but what stays."""
        cloud = patient.connect(args["cloud"], ctx)
        listed = cloud.list("compute", f"/servers/detail?all_tenants=1&host={args['host']}", "servers")
        left = [
            f"{s['name']} ({s['id']})"
            for s in listed
            if s["OS-EXT-SRV-ATTR:host"] == args["host"] and s["id"] not in args["staying"]
        ]
        if left:
            raise StepFailed(_("{host} is not empty: {found}").format(host=args["host"], found=", ".join(left)))
        return {"staying": list(args["staying"])}
