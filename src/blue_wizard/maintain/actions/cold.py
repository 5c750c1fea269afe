"""A cold migration and its confirmation, for servers that are off."""

from __future__ import annotations

from blue_wizard.errors import StepFailed
from blue_wizard.facts.servers import Migration
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.jobs.polling import poll
from blue_wizard.maintain import moving, patient
from blue_wizard.maintain.actions import cordon
from blue_wizard.reach.openstack import Cloud, client_command
from blue_wizard.text import _

__all__ = ["ColdMigrate", "carry", "revert"]

_TIMEOUT_S = 1800.0
_CONFIRM_S = 300.0
_TRIES = 5


@action("nova.server.cold-migrate")
class ColdMigrate(Action):
    """args: cloud, server, name, source, dest ("": Nova chooses), host, service, timeout_s."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It is away and settled, or gone."""
        cloud = patient.connect(args["cloud"], ctx)
        now = moving.server_now(cloud, args["server"])
        if now is None:
            return {"host": None, "note": _("was deleted meanwhile")}
        if now.host == args["source"] or now.task_state or now.vm_state == "resized":
            return None
        ours = ctx.noted("before") is not None
        newest = next(iter(moving.migrations_of(cloud, args["server"])), None) if ours else None
        note = "" if ours else _("was moved by somebody else")
        return {"host": now.host, "migration": newest.id if newest else None, "note": note}

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Move it, and confirm that: what it was on its source is deleted by that."""
        cloud = patient.connect(args["cloud"], ctx)
        if ctx.noted("before") is None:
            newest = next(iter(moving.migrations_of(cloud, args["server"])), None)
            ctx.note("before", newest.id if newest else 0)
        return {**carry(ctx, cloud, args, args["dest"], after=ctx.noted("before")), "note": ""}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """Record, host, task, libvirt on one side only, binding of each port."""
        if outcome["host"] is None or outcome["note"]:
            return
        cloud = patient.connect(args["cloud"], ctx)
        found = moving.look(cloud, args["server"], args["source"], outcome["host"], outcome["migration"])
        if found:
            text = _("Server {name} has not arrived for sure: {found}")
            raise StepFailed(text.format(name=args["name"], found="; ".join(found)))

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Revert what is not confirmed, else move it back."""
        if ctx.noted("before") is None:
            return
        cloud = patient.connect(args["cloud"], ctx)

        def rests() -> bool | None:
            now = moving.server_now(cloud, args["server"])
            return None if now is not None and now.task_state else True

        poll(rests, _("server {name} to rest").format(name=args["name"]), timeout_s=_TIMEOUT_S)
        now = moving.server_now(cloud, args["server"])
        if now is None:
            return
        if now.vm_state == "resized":
            revert(ctx, cloud, args)
        elif now.host != args["source"]:
            cordon.open_again(ctx, args)
            carry(ctx, cloud, args, args["source"])

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Bring it back."""
        return client_command(args["cloud"], "server", "migrate", "--host", args["source"], args["server"])


def revert(ctx: Context, cloud: Cloud, args: Args) -> None:
    """Bring a server whose cold migration is not confirmed back to `source`. Raises StepFailed."""
    ctx.event("effect", "revert cold migration", server=args["server"])
    cloud.post("compute", f"/servers/{args['server']}/action", {"revertResize": None})
    _settled(cloud, args, args["source"])


def carry(ctx: Context, cloud: Cloud, args: Args, dest: str, *, after: int | None = None) -> dict[str, object]:
    """Move a server that is off to `dest`, and confirm it; ``{host, migration}``. Goes on with what was begun after a record.

    Raises StepFailed.
    """
    path = f"/servers/{args['server']}/action"
    begun = _asked_before(ctx, cloud, args, after) if after is not None else None
    if begun is None or begun.failed:
        newest = next(iter(moving.migrations_of(cloud, args["server"])), None)
        after = newest.id if newest else 0
        ctx.event("effect", "cold-migrate server", server=args["server"], to=dest)
        _ask(ctx, cloud, args, dest, after)
    confirmed = False

    def done() -> str | None:
        nonlocal confirmed
        now = moving.server_now(cloud, args["server"])
        if now is None:
            return ""
        record = next((m for m in moving.migrations_of(cloud, args["server"]) if m.id > (after or 0)), None)
        if now.vm_state == "error" or (record is not None and record.failed):
            why = moving.failure_of(cloud, args["server"]) or (record.status if record else now.status)
            text = _("Nova could not move server {name} to {dest}: {why}")
            raise StepFailed(text.format(name=args["name"], dest=dest or "?", why=why))
        if now.vm_state == "resized" and not now.task_state and not confirmed:
            ctx.event("effect", "confirm cold migration", server=args["server"])
            confirmed = patient.sent(ctx, cloud, path, {"confirmResize": None})
            return None
        # Nova may be set to confirm by itself.
        over = record is not None and record.status == "confirmed"
        return now.host if over and now.vm_state == "stopped" and not now.task_state else None

    what = _("server {name} to arrive on {dest}").format(name=args["name"], dest=dest or "?")
    host = poll(done, what, timeout_s=args.get("timeout_s", _TIMEOUT_S), check_stop=ctx.check_stop)
    newest = next(iter(moving.migrations_of(cloud, args["server"])), None)
    return {"host": host or None, "migration": newest.id if newest else None}


def _ask(ctx: Context, cloud: Cloud, args: Args, dest: str, after: int) -> None:
    path, body = f"/servers/{args['server']}/action", {"migrate": {"host": dest} if dest else None}
    for _again in range(_TRIES):
        if patient.sent(ctx, cloud, path, body) or _asked_before(ctx, cloud, args, after) is not None:
            return
    cloud.post("compute", path, body)


def _asked_before(ctx: Context, cloud: Cloud, args: Args, after: int) -> Migration | None:
    """The migration that a killed attempt asked for; None when that call never arrived, or was done with."""

    def seen() -> tuple[Migration | None] | None:
        record = next((m for m in moving.migrations_of(cloud, args["server"]) if m.id > after), None)
        now = moving.server_now(cloud, args["server"])
        # Nova's API sets the task before it answers, and the record is made a little later.
        return None if record is None and now is not None and now.task_state else (record,)

    what = _("the migration of {name} to begin").format(name=args["name"])
    return poll(seen, what, timeout_s=_CONFIRM_S, check_stop=ctx.check_stop)[0]


def _settled(cloud: Cloud, args: Args, host: str) -> None:
    def there() -> bool | None:
        now = moving.server_now(cloud, args["server"])
        return True if now is None or (now.host == host and not now.task_state and now.vm_state != "resized") else None

    what = _("server {name} to be back on {host}").format(name=args["name"], host=host)
    poll(there, what, timeout_s=_CONFIRM_S)
