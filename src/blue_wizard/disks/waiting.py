"""Waiting for data to move: away from an OSD, and back onto it. Progress is told, and its absence too."""

from __future__ import annotations

import statistics
import time

from blue_wizard.disks import safety
from blue_wizard.disks.survey import read_cluster
from blue_wizard.errors import StepFailed
from blue_wizard.facts.ceph import Cluster, commit_latencies
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Outcome
from blue_wizard.reach.ceph_cli import Ceph
from blue_wizard.reach.faults import NotReached
from blue_wizard.text import _

__all__ = ["Refilled", "SafeToDestroy", "settled"]

_EVERY_S = 3.0
_POLLS = 3
"""So many looks in a row have to agree: right after a change the maps still show the time before it."""
_STALLED_S = 1800.0
_LATE, _CALM, _HOLD_S = 2, 0.7, 300.0
"""Backfill is held back after so many late looks in a row, until writes take this part of the limit, and never longer than this."""


class _Wait(Action):
    """Looks every few seconds until `_ready` says yes several times in a row."""

    def _ready(self, cluster: Cluster, osd: int) -> str:
        """What is still missing; "" when nothing is."""
        raise NotImplementedError

    def _look(self, ctx: Context, args: Args, cluster: Cluster) -> None:
        """What else is done at every look."""

    def _tell(self, ctx: Context, cluster: Cluster | None, clean: int, all_: int, missing: str) -> None:
        """Tell how far it is."""
        ctx.progress(clean, all_, unit="PG", note=missing)

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
                self._look(ctx, args, cluster)
            except (NotReached, StepFailed) as e:
                # Monitors that are away for a while are no reason to begin moving everything back.
                missing = e.message
            self._tell(ctx, cluster, clean, all_, missing)
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
    """args: cloud, osd, latency_ms. The OSD is up and in, holds PGs again, and all of them are active and clean.

    Meanwhile backfill is held back while writes take longer than `latency_ms`, but only while no PG lacks a copy, and not for long
    at a time. How long it will still take is told by how many copies are where they should be.
    """

    def __init__(self) -> None:
        self._most = 0
        self._late = 0
        self._since = time.monotonic()

    def _look(self, ctx: Context, args: Args, cluster: Cluster) -> None:
        limit = float(args.get("latency_ms") or 0)
        if not limit:
            return
        ceph = Ceph(args["cloud"])
        found = commit_latencies(ceph.json("osd", "perf"))
        latency = statistics.median(found) if found else 0.0
        now, held = time.monotonic(), bool(ctx.noted("held"))
        self._late = self._late + 1 if latency > limit else 0
        lacking = any("degraded" in p.state for p in cluster.pgs)
        if held and (latency < limit * _CALM or lacking or now - self._since > _HOLD_S):
            _let_go(ctx, ceph)
            self._late, self._since = 0, now
        elif not held and self._late >= _LATE and not lacking and "nobackfill" not in cluster.flags and cluster.moving:
            ctx.note("held", True)
            self._since = now
            ctx.event("effect", _("ceph osd set nobackfill: writes take {ms} ms").format(ms=round(latency)))
            ceph.check("osd", "set", "nobackfill")

    def _tell(self, ctx: Context, cluster: Cluster | None, clean: int, all_: int, missing: str) -> None:
        left = cluster.moving if cluster else 0
        if not left:
            super()._tell(ctx, cluster, clean, all_, missing)
            return
        self._most = max(self._most, left)
        ctx.progress(self._most - left, self._most, unit=_("copies"), note=missing)

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Wait; nothing stays held back, however it ends."""
        try:
            return super().do(ctx, args)
        finally:
            if ctx.noted("held"):
                _let_go(ctx, Ceph(args["cloud"]))

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """Let backfill go where it was held back."""
        if ctx.noted("held"):
            _let_go(ctx, Ceph(args["cloud"]))

    def by_hand(self, ctx: Context, args: Args, outcome: Outcome | None) -> str:
        """The same."""
        return "ceph osd unset nobackfill" if ctx.noted("held") else ""

    def _ready(self, cluster: Cluster, osd: int) -> str:
        known = cluster.osds.get(osd)
        if known is None or not known.up or not known.in_:
            return _("osd.{id} is not up and in").format(id=osd)
        # A map that is older than its start shows PGs that never were on it.
        if cluster.pgs and not any(osd in p.up for p in cluster.pgs):
            return _("no PG is mapped to osd.{id} yet").format(id=osd)
        return settled(cluster)


def _let_go(ctx: Context, ceph: Ceph) -> None:
    ctx.event("effect", "ceph osd unset nobackfill")
    ceph.check("osd", "unset", "nobackfill")
    ctx.note("held", False)


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
