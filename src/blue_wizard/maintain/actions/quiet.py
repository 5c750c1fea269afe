"""Keeping a host's OSDs from being marked out, and taking that back: for its own CRUSH bucket alone, never somebody else's flag."""

from __future__ import annotations

from blue_wizard.errors import StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.jobs.polling import poll
from blue_wizard.maintain import storage
from blue_wizard.reach.ceph_cli import Ceph
from blue_wizard.text import _

__all__ = ["Noout", "NooutOff"]

_OK_S = 600.0


def _is(ceph: Ceph, bucket: str, job: str) -> bool:
    lease = storage.lease_of(ceph, bucket)
    return lease is not None and lease.job == job


@action("ceph.host.noout")
class Noout(Action):
    """args: cloud, host, bucket, osds. `ours` in the outcome: it was this job that set the flag."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """The flag is set: by this job when the lease is its own, else by somebody else, whose flag it stays."""
        ceph = Ceph(args["cloud"])
        if not storage.is_set(ceph, args["bucket"]):
            return None
        return {"ours": _is(ceph, args["bucket"], ctx.job_id), "bucket": args["bucket"]}

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Wait until all of the OSDs may stop, then set the flag of their bucket."""
        ceph = Ceph(args["cloud"])
        poll(
            lambda: storage.may_stop(ceph, args["osds"]) or None,
            _("OSDs {ids} to be dispensable").format(ids=", ".join(map(str, args["osds"]))),
            timeout_s=_OK_S,
            check_stop=ctx.check_stop,
        )
        ctx.event("effect", "set noout", bucket=args["bucket"])
        storage.set_noout(ceph, args["bucket"], args["host"], ctx.job_id)
        return {"ours": True, "bucket": args["bucket"]}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """The flag is there."""
        if not storage.is_set(Ceph(args["cloud"]), args["bucket"]):
            raise StepFailed(_("noout is not set for {bucket}.").format(bucket=args["bucket"]))

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Take the flag back when the lease is this job's."""
        ceph = Ceph(args["cloud"])
        if _is(ceph, args["bucket"], ctx.job_id):
            ctx.event("effect", "unset noout", bucket=args["bucket"])
            storage.unset_noout(ceph, args["bucket"])

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Take it back."""
        return f"ceph osd unset-group noout {args['bucket']}"


@action("ceph.host.noout-off")
class NooutOff(Action):
    """args: cloud, host, bucket, job (whose flag it is)."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """There is no flag of that job."""
        if _is(Ceph(args["cloud"]), args["bucket"], args["job"]):
            return None
        return {"ours": bool(ctx.noted("ours"))}

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Take the flag and its lease back."""
        ctx.note("ours", True)
        ctx.event("effect", "unset noout", bucket=args["bucket"])
        storage.unset_noout(Ceph(args["cloud"]), args["bucket"])
        return {"ours": True}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """It is gone, when it was ours."""
        if outcome["ours"] and storage.is_set(Ceph(args["cloud"]), args["bucket"]):
            raise StepFailed(_("noout is still set for {bucket}.").format(bucket=args["bucket"]))

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Set it again, for the job whose flag it was."""
        if ctx.noted("ours"):
            ctx.event("effect", "set noout", bucket=args["bucket"])
            storage.set_noout(Ceph(args["cloud"]), args["bucket"], args["host"], args["job"])

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Set it again."""
        return f"ceph osd set-group noout {args['bucket']}" if ctx.noted("ours") else ""
