"""Closing a host to new servers, and opening it again. A reason that somebody else wrote is never overwritten."""

from __future__ import annotations

from blue_wizard.errors import StepFailed
from blue_wizard.facts.computes import Service
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.maintain import mark, patient, site
from blue_wizard.reach.openstack import client_command
from blue_wizard.text import _

__all__ = ["Disable", "Enable", "open_again", "service_of"]


def service_of(args: Args) -> Service:
    """The compute service as it is now. Raises StepFailed when it is gone."""
    cloud = patient.connect(args["cloud"])
    for service in site.services(cloud):
        if service.id == args["service"]:
            return service
    raise StepFailed(_("Nova has no nova-compute on {host} any more.").format(host=args["host"]))


def _set(args: Args, *, enabled: bool, reason: str = "") -> None:
    body = {"status": "enabled"} if enabled else {"status": "disabled", "disabled_reason": reason}
    patient.connect(args["cloud"]).put("compute", f"/os-services/{args['service']}", body)


def open_again(ctx: Context, args: Args) -> None:
    """Enable the service when it is disabled with this job's reason; args: cloud, host, service."""
    service = service_of(args)
    if not service.enabled and mark.job_of(service.reason) == ctx.job_id:
        ctx.event("effect", "enable nova-compute", host=args["host"])
        _set(args, enabled=True)


@action("nova.service.disable")
class Disable(Action):
    """args: cloud, host, service, reason, foreign (why somebody else has disabled it; "" when nobody has)."""

    def _judge(self, ctx: Context, args: Args, service: Service) -> Outcome | None:
        if service.enabled:
            if args["foreign"]:
                raise StepFailed(
                    _("nova-compute on {host} was enabled meanwhile by somebody else.").format(host=args["host"])
                )
            return None
        if mark.job_of(service.reason) == ctx.job_id:
            return {"ours": True, "reason": service.reason}
        if args["foreign"] and service.reason == args["foreign"]:
            return {"ours": False, "reason": service.reason}
        raise StepFailed(
            _('Somebody else has disabled nova-compute on {host}: "{reason}".').format(
                host=args["host"], reason=service.reason
            ),
            _("Their reason stays. Ask them, then plan again."),
        )

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It is disabled by this job, or by whom the plan says."""
        return self._judge(ctx, args, service_of(args))

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Disable it, with this job's mark as the reason."""
        ctx.event("effect", "disable nova-compute", host=args["host"])
        reason = mark.reason_text(ctx.job_id, args["reason"])
        _set(args, enabled=False, reason=reason)
        return {"ours": True, "reason": reason}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """It is disabled, and by the same."""
        if self._judge(ctx, args, service_of(args)) is None:
            raise StepFailed(_("nova-compute on {host} is still enabled.").format(host=args["host"]))

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Enable it, when it is disabled by this job."""
        open_again(ctx, args)

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Enable it."""
        return client_command(args["cloud"], "compute", "service", "set", "--enable", args["host"], "nova-compute")


@action("nova.service.enable")
class Enable(Action):
    """args: cloud, host, service, job (whose mark is the reason that may be taken away), reason."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """It is enabled, or it is disabled by somebody else, whose reason stays."""
        service = service_of(args)
        if service.enabled:
            return {"enabled": True, "ours": bool(ctx.noted("was")), "reason": ""}
        if mark.job_of(service.reason) != args["job"]:
            ctx.event("foreign", "disabled by somebody else", reason=service.reason)
            return {"enabled": False, "ours": False, "reason": service.reason}
        return None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Enable it."""
        ctx.note("was", service_of(args).reason)
        ctx.event("effect", "enable nova-compute", host=args["host"])
        _set(args, enabled=True)
        return {"enabled": True, "ours": True, "reason": ""}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """It is enabled, when it was ours to enable."""
        if outcome["enabled"] and not service_of(args).enabled:
            raise StepFailed(_("nova-compute on {host} is still disabled.").format(host=args["host"]))

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Disable it with the reason that it had, when this step enabled it."""
        was = ctx.noted("was")
        if was and service_of(args).enabled:
            ctx.event("effect", "disable nova-compute", host=args["host"])
            _set(args, enabled=False, reason=was)
