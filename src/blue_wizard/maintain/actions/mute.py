"""Those who would act or cry when a host goes away on purpose are told, and told again when it is back."""

from __future__ import annotations

from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.maintain import masakari, patient
from blue_wizard.reach import alertmanager
from blue_wizard.text import _

__all__ = ["Alarms", "Masakari", "UnmuteAlarms", "UnmuteMasakari"]

_SILENCE_S = 24 * 3600.0


@action("maintain.mute.masakari")
class Masakari(Action):
    """args: cloud, host, segment, id. `ours` in the outcome: it was this step that marked the host."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It is marked, by this step or by somebody else, whose mark it stays; or Masakari does not know it any more."""
        cloud = patient.connect(args["cloud"], ctx)
        on = masakari.on_maintenance(cloud, args["segment"], args["id"])
        return None if on is False else {"ours": bool(on and ctx.noted("ours"))}

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Mark it."""
        ctx.note("ours", True)
        ctx.event("effect", "masakari: host on maintenance", host=args["host"])
        masakari.set_maintenance(patient.connect(args["cloud"], ctx), args["segment"], args["id"], on=True)
        return {"ours": True}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """It is marked."""
        if masakari.on_maintenance(patient.connect(args["cloud"], ctx), args["segment"], args["id"]) is False:
            raise StepFailed(_("Masakari still watches {host}.").format(host=args["host"]))

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Let it be watched again, when it was this step that marked it."""
        cloud = patient.connect(args["cloud"], ctx)
        if ctx.noted("ours") and masakari.on_maintenance(cloud, args["segment"], args["id"]):
            ctx.event("effect", "masakari: host watched", host=args["host"])
            masakari.set_maintenance(cloud, args["segment"], args["id"], on=False)

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Take the mark away."""
        return f"openstack segment host update --on_maintenance False {args['segment']} {args['id']}"


@action("maintain.unmute.masakari")
class UnmuteMasakari(Action):
    """args: those of `Masakari`."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It is watched, or not known any more."""
        on = masakari.on_maintenance(patient.connect(args["cloud"], ctx), args["segment"], args["id"])
        return None if on else {"ours": bool(ctx.noted("ours"))}

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Take the mark away."""
        ctx.note("ours", True)
        ctx.event("effect", "masakari: host watched", host=args["host"])
        masakari.set_maintenance(patient.connect(args["cloud"], ctx), args["segment"], args["id"], on=False)
        return {"ours": True}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Mark it again."""
        if ctx.noted("ours"):
            ctx.event("effect", "masakari: host on maintenance", host=args["host"])
            masakari.set_maintenance(patient.connect(args["cloud"], ctx), args["segment"], args["id"], on=True)


def _comment(host: str, job: str) -> str:
    return f"blue-wizard job={job} host={host}"


@action("maintain.mute.alarms")
class Alarms(Action):
    """args: cloud, host. Only silences of this job, by their comment, are taken for its own."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """This job's silence is there."""
        found = alertmanager.active(args["cloud"], _comment(args["host"], ctx.job_id))
        return {"ours": True} if found else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Silence them; that ends by itself after a day."""
        ctx.event("effect", "silence alarms", host=args["host"])
        alertmanager.silence(args["cloud"], args["host"], _comment(args["host"], ctx.job_id), _SILENCE_S)
        return {"ours": True}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """End this job's silences."""
        _end(ctx, args, ctx.job_id)

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """End it."""
        return f"amtool silence query blue-wizard job={ctx.job_id}; amtool silence expire ID"


@action("maintain.unmute.alarms")
class UnmuteAlarms(Action):
    """args: those of `Alarms`, and job (whose silence it is)."""

    def do(self, ctx: Context, args: Args) -> Outcome:
        """End it."""
        _end(ctx, args, args["job"])
        return {"ours": True}

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Silence them again, for the job whose silence it was."""
        comment = _comment(args["host"], args["job"])
        if not alertmanager.active(args["cloud"], comment):
            ctx.event("effect", "silence alarms", host=args["host"])
            alertmanager.silence(args["cloud"], args["host"], comment, _SILENCE_S)


def _end(ctx: Context, args: Args, job: str) -> None:
    for id_ in alertmanager.active(args["cloud"], _comment(args["host"], job)):
        ctx.event("effect", "end silence of alarms", host=args["host"], silence=id_)
        alertmanager.expire(args["cloud"], id_)
