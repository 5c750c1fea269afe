"""Keeping a host's OSDs from being marked out, and taking that back; only for its own CRUSH bucket, and never somebody else's.

A lease in the monitors' key store says who set the flag and until when that is meant: a flag that was forgotten is found.
"""

from __future__ import annotations

import json
import time
from typing import Any

from blue_wizard import config
from blue_wizard.config import CephAccess
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.jobs.polling import poll
from blue_wizard.reach import ceph_admin
from blue_wizard.reach.ceph_admin import Cluster
from blue_wizard.text import _

__all__ = ["Noout", "NooutOff", "lease_key", "leases"]

_LEASE_S = 24 * 3600.0
_OK_S = 600.0
_KEY = "blue-wizard/maintenance/"


def lease_key(bucket: str) -> str:
    """Where the lease of a bucket is kept."""
    return _KEY + bucket


def access_of(cloud: str) -> CephAccess:
    """How the cloud's Ceph is reached. Raises InputError when the configuration does not say."""
    known = config.load().clouds.get(cloud)
    if known is None or known.ceph is None:
        raise InputError(
            _("The configuration does not say how the Ceph cluster of cloud {name} is reached.").format(name=cloud),
            _("Add clouds: {{{name}: {{ceph: {{conf: ..., client: ..., pool: ...}}}}}} to it.").format(name=cloud),
        )
    return known.ceph


def _is_set(cluster: Cluster, bucket: str) -> bool:
    return "noout" in (cluster.ask("osd dump").get("crush_node_flags") or {}).get(bucket, ())


def _lease(cluster: Cluster, bucket: str) -> dict[str, Any]:
    keys = [k if isinstance(k, str) else k.get("key", "") for k in cluster.ask("config-key ls")]
    if lease_key(bucket) not in keys:
        return {}
    found: dict[str, Any] = cluster.ask("config-key get", key=lease_key(bucket))
    return found


def leases(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """All leases: bucket to ``{job, host, since, until}``."""
    keys = [k if isinstance(k, str) else k.get("key", "") for k in cluster.ask("config-key ls")]
    buckets = [k.removeprefix(_KEY) for k in keys if k.startswith(_KEY)]
    return {bucket: _lease(cluster, bucket) for bucket in buckets}


def _set(cluster: Cluster, bucket: str, host: str, job: str) -> None:
    now = time.time()
    lease = {"job": job, "host": host, "since": round(now), "until": round(now + _LEASE_S)}
    # The lease first: a flag without one would be nobody's.
    cluster.tell("config-key set", key=lease_key(bucket), val=json.dumps(lease))
    cluster.tell("osd set-group", flags="noout", who=[bucket])


def _unset(cluster: Cluster, bucket: str) -> None:
    cluster.tell("osd unset-group", flags="noout", who=[bucket])
    cluster.tell("config-key rm", key=lease_key(bucket))


@action("ceph.host.noout")
class Noout(Action):
    """args: cloud, host, bucket, osds. `ours` in the outcome: it was this job that set the flag."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """The flag is set: by this job when the lease is its own, else by somebody else, whose flag it stays."""
        with ceph_admin.open_cluster(access_of(args["cloud"])) as cluster:
            if not _is_set(cluster, args["bucket"]):
                return None
            ours = _lease(cluster, args["bucket"]).get("job") == ctx.job_id
        return {"ours": ours, "bucket": args["bucket"]}

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Wait until all of the OSDs may stop, then set the flag of their bucket."""
        with ceph_admin.open_cluster(access_of(args["cloud"])) as cluster:

            def may_stop() -> bool | None:
                ids = [str(i) for i in args["osds"]]
                return True if cluster.ask("osd ok-to-stop", manager=True, ids=ids).get("ok_to_stop", True) else None

            what = _("OSDs {ids} to be dispensable").format(ids=", ".join(map(str, args["osds"])))
            poll(may_stop, what, timeout_s=_OK_S, check_stop=ctx.check_stop)
            ctx.event("effect", "set noout", bucket=args["bucket"])
            _set(cluster, args["bucket"], args["host"], ctx.job_id)
        return {"ours": True, "bucket": args["bucket"]}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """The flag is there."""
        with ceph_admin.open_cluster(access_of(args["cloud"])) as cluster:
            if not _is_set(cluster, args["bucket"]):
                raise StepFailed(_("noout is not set for {bucket}.").format(bucket=args["bucket"]))

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Take the flag back when the lease is this job's."""
        with ceph_admin.open_cluster(access_of(args["cloud"])) as cluster:
            if _lease(cluster, args["bucket"]).get("job") == ctx.job_id:
                ctx.event("effect", "unset noout", bucket=args["bucket"])
                _unset(cluster, args["bucket"])

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """Take it back."""
        return f"ceph osd unset-group noout {args['bucket']}"


@action("ceph.host.noout-off")
class NooutOff(Action):
    """args: cloud, host, bucket, job (whose flag it is)."""

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """There is no flag of that job."""
        with ceph_admin.open_cluster(access_of(args["cloud"])) as cluster:
            mine = _lease(cluster, args["bucket"]).get("job") == args["job"]
            return None if mine else {"ours": bool(ctx.noted("ours"))}

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Take the flag and its lease back."""
        with ceph_admin.open_cluster(access_of(args["cloud"])) as cluster:
            ctx.note("ours", True)
            ctx.event("effect", "unset noout", bucket=args["bucket"])
            _unset(cluster, args["bucket"])
        return {"ours": True}

    def verify(self, ctx: Context, args: Args, outcome: Outcome) -> None:
        """It is gone, when it was ours."""
        with ceph_admin.open_cluster(access_of(args["cloud"])) as cluster:
            if outcome["ours"] and _is_set(cluster, args["bucket"]):
                raise StepFailed(_("noout is still set for {bucket}.").format(bucket=args["bucket"]))

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Set it again, for the job whose flag it was."""
        if ctx.noted("ours"):
            with ceph_admin.open_cluster(access_of(args["cloud"])) as cluster:
                ctx.event("effect", "set noout", bucket=args["bucket"])
                _set(cluster, args["bucket"], args["host"], args["job"])
