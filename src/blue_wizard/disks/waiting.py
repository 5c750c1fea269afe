"""Waiting for data to move: away from an OSD, and back onto it. Progress is told, and its absence too."""

from __future__ import annotations

import time

from blue_wizard.disks import safety
from blue_wizard.disks.survey import read_cluster
from blue_wizard.errors import StepFailed
from blue_wizard.facts.ceph import Cluster
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.reach.faults import NotReached
from blue_wizard.text import _

__all__ = ["Refilled", "SafeToDestroy", "settled"]

_EVERY_S = 3.0
_POLLS = 3
"""So many looks in a row have to agree: right after a change the maps still show the time before it."""
_STALLED_S = 1800.0


class _Wait(Action):
    """Looks every few seconds until `_ready` says yes several times in a row."""

    def _ready(self, cluster: Cluster, osd: int) -> str:
        """What is still missing; "" when nothing is."""
        raise NotImplementedError

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Wait. Raises StepFailed when nothing has moved for long."""
        began = last = time.monotonic()
        best, agreed, told, clean, all_ = -1, 0, False, 0, 0
        while True:
            cluster: Cluster | None = None
            try:
                cluster = read_cluster(args["cloud"], ("dump", "status", "pgs", "osd_stats", "df"))
                missing = self._ready(cluster, args["osd"])
                clean, all_ = sum(p.clean for p in cluster.pgs), len(cluster.pgs)
            except (NotReached, StepFailed) as e:
                # Monitors that are away for a while are no reason to begin moving everything back.
                missing = e.message
            ctx.progress(clean, all_, unit="PG", note=missing)
            agreed = 0 if missing else agreed + 1
            if agreed >= _POLLS and cluster is not None:
                return {"seconds": round(time.monotonic() - began, 1), "epoch": cluster.epoch}
            now = time.monotonic()
            if clean > best or not missing:
                best, last, told = max(clean, best), now, False
            elif now - last > _STALLED_S / 3 and not told:
                told = True
                ctx.event(
                    "stall",
                    _("Nothing has moved for {seconds} s: {why}").format(seconds=round(now - last), why=missing),
                )
            if now - last > _STALLED_S:
                raise StepFailed(
                    _("Nothing has moved for {seconds} s: {why}").format(seconds=round(_STALLED_S), why=missing)
                )
            _rest(ctx)


@action("osd.wait.safe")
class SafeToDestroy(_Wait):
    """args: cloud, osd. No PG needs the OSD, and all are active and clean."""

    def _ready(self, cluster: Cluster, osd: int) -> str:
        verdict = safety.safe_to_destroy(cluster, osd)
        return verdict.reason if not verdict.ok else settled(cluster)


@action("osd.refill")
class Refilled(_Wait):
    """args: cloud, osd. The OSD is up and in, holds PGs again, and all of them are active and clean."""

    def _ready(self, cluster: Cluster, osd: int) -> str:
        known = cluster.osds.get(osd)
        if known is None or not known.up or not known.in_:
            return _("osd.{id} is not up and in").format(id=osd)
        # A map that is older than its start shows PGs that never were on it.
        if cluster.pgs and not any(osd in p.up for p in cluster.pgs):
            return _("no PG is mapped to osd.{id} yet").format(id=osd)
        return settled(cluster)


def settled(cluster: Cluster) -> str:
    """What is not active and clean; "" when all is (pure)."""
    dirty = [p for p in cluster.pgs if not p.clean]
    if not dirty:
        return ""
    return _("{count} of {all} PGs are not active+clean").format(count=len(dirty), all=len(cluster.pgs))


def _rest(ctx: Context) -> None:
    end = time.monotonic() + _EVERY_S
    while time.monotonic() < end:
        ctx.pause_point()
        time.sleep(0.5)
