"""What may be done to an OSD without harm, computed from the cluster's own maps. Pure.

The rules are those of the manager (``DaemonServer::_handle_command``: ``osd safe-to-destroy``, ``osd ok-to-stop``), so that a
Jewel cluster, which has no manager, is judged as a newer one would be. Where releases differ the stricter rule counts: a
degraded PG is never fit to lose one more of its OSDs (newer managers look at which copies are whole; the brief PG dump does
not tell).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from blue_wizard.facts.ceph import NONE, Cluster, Osd, Pg
from blue_wizard.text import _

__all__ = [
    "Forecast",
    "Verdict",
    "broken",
    "forecast",
    "ok_to_stop",
    "others_down",
    "passing",
    "quorum",
    "safe_to_destroy",
    "unsettled",
]

_UNKNOWN = frozenset({"unknown", "creating+unknown"})
# A primary that has just become one tells of no state at all until it has heard of the others.
_AGREEING = frozenset({"peering", "activating", "creating", "unknown"})
_DEAD = frozenset({"down", "incomplete", "stale", "inactive"})
_SHOWN = 5


@dataclass(frozen=True)
class Verdict:
    """`ok`, or why not. `unsure`: not enough is known (EAGAIN), which may be otherwise in a moment; never a yes."""

    ok: bool
    reason: str = ""
    unsure: bool = False
    pgs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Forecast:
    """How full the OSDs will be once the data of some has gone to the others (0 to 1), and the PGs that find no place."""

    fullest: int | None
    ratio: float
    limit: float
    homeless: tuple[str, ...] = ()
    each: Mapping[int, float] = field(default_factory=dict)

    @property
    def fits(self) -> bool:
        """Nobody gets as full as backfill is stopped at."""
        return self.ratio < self.limit


def _unknown(cluster: Cluster) -> list[str]:
    # A PG that no OSD has reported on has neither state; Jewel calls it "creating" or leaves the word empty.
    return [p.id for p in cluster.pgs if p.state & _UNKNOWN or p.state == frozenset({""})]


def _named(pgs: Iterable[str]) -> str:
    listed = list(pgs)
    return ", ".join(listed[:_SHOWN]) + (" ..." if len(listed) > _SHOWN else "")


def safe_to_destroy(cluster: Cluster, osd: int) -> Verdict:
    """May the data of an OSD be lost without any PG having fewer copies? (``osd safe-to-destroy``)

    It may when no PG is unknown, the OSD is in no up or acting set, and either all PGs are active and clean or the OSD is up
    and has last said that it stores no PG.
    """
    unknown = _unknown(cluster)
    if unknown:
        return Verdict(False, _("{count} PGs are unknown").format(count=len(unknown)), True, tuple(unknown))
    known = cluster.osds.get(osd)
    if known is None:
        return Verdict(True)
    mapped = tuple(p.id for p in cluster.pgs if osd in p.up or osd in p.acting)
    if mapped:
        text = _("{count} PGs are mapped to osd.{id}: {pgs}")
        return Verdict(False, text.format(count=len(mapped), id=osd, pgs=_named(mapped)), False, mapped)
    if cluster.all_clean:
        return Verdict(True)
    usage = cluster.usage.get(osd)
    dirty = tuple(p.id for p in cluster.pgs if not p.clean)
    if not known.up or usage is None or usage.num_pgs is None:
        text = _("{count} PGs are not active+clean, and osd.{id} can't be asked what it stores: {pgs}")
        return Verdict(False, text.format(count=len(dirty), id=osd, pgs=_named(dirty)), True, dirty)
    if usage.num_pgs > 0:
        text = _("osd.{id} still stores {stored} PGs, and {count} PGs are not active+clean: {pgs}")
        told = text.format(id=osd, stored=usage.num_pgs, count=len(dirty), pgs=_named(dirty))
        return Verdict(False, told, False, dirty)
    return Verdict(True)


def ok_to_stop(cluster: Cluster, osds: Iterable[int]) -> Verdict:
    """May these OSDs stop at once without any PG going inactive? (``osd ok-to-stop``)

    Every PG that they serve has to be active and not degraded, and to keep min_size of its OSDs.
    """
    stopped = frozenset(osds)
    unknown = _unknown(cluster)
    if unknown:
        return Verdict(False, _("{count} PGs are unknown").format(count=len(unknown)), True, tuple(unknown))
    dangerous = tuple(p.id for p in cluster.pgs if p.serving & stopped and not _can_lose(cluster, p, stopped))
    if dangerous:
        text = _("{count} PGs would become inactive or lose their last spare copy: {pgs}")
        return Verdict(False, text.format(count=len(dangerous), pgs=_named(dangerous)), False, dangerous)
    return Verdict(True)


def _can_lose(cluster: Cluster, pg: Pg, stopped: frozenset[int]) -> bool:
    if "active" not in pg.state or "degraded" in pg.state:
        return False
    pool = cluster.pools.get(pg.pool)
    return pool is not None and len(pg.serving - stopped) >= pool.min_size


def others_down(cluster: Cluster, osds: Iterable[int]) -> Verdict:
    """Is any other OSD down that may share a PG with these? Not when all PGs are clean: then nothing is on it alone any more."""
    ours = frozenset(osds)
    down = sorted(o.id for o in cluster.osds.values() if not o.up and o.id not in ours and not o.destroyed)
    if not down or cluster.all_clean:
        return Verdict(True)
    dirty = tuple(p.id for p in cluster.pgs if not p.clean)
    text = _("{osds} are down too, and {count} PGs are not active+clean, which they may share: {pgs}")
    named = ", ".join(f"osd.{n}" for n in down)
    return Verdict(False, text.format(osds=named, count=len(dirty), pgs=_named(dirty)), False, dirty)


def quorum(cluster: Cluster) -> Verdict:
    """More than half of the monitors agree, and one more may be lost where there are at least three."""
    if cluster.quorum * 2 > cluster.mons and (cluster.mons < 3 or (cluster.quorum - 1) * 2 > cluster.mons):
        return Verdict(True)
    text = _("{quorum} of {mons} monitors are in the quorum: one more must not be lost")
    return Verdict(False, text.format(quorum=cluster.quorum, mons=cluster.mons))


def passing(cluster: Cluster) -> frozenset[str]:
    """The PGs that only agree on who serves them: every change of the map makes some, for a moment."""
    return frozenset(p.id for p in cluster.pgs if p.state & _AGREEING and not p.state & _DEAD)


def unsettled(cluster: Cluster) -> bool:
    """Whether some PG does not tell yet who serves it: of an OSD that has just gone down they are stale before they are peering."""
    return bool(passing(cluster)) or any("stale" in p.state for p in cluster.pgs)


def broken(cluster: Cluster, osds: Iterable[int], *, accepted: Iterable[int] = (), young: Collection[str] = ()) -> str:
    """What must not be while OSDs are worked on: an inactive PG, one below min_size, another OSD down; "" when all is well.

    `accepted` are OSDs that were down before, `young` are PGs of `passing` that have not been so for long.
    """
    calm = frozenset(young) & passing(cluster)
    dead = [p.id for p in cluster.pgs if p.id not in calm and ("active" not in p.state or p.state & _DEAD)]
    if dead:
        return _("{count} PGs are not active: {pgs}").format(count=len(dead), pgs=_named(dead))
    settled = [p for p in cluster.pgs if p.id not in calm]
    few = [p.id for p in settled if p.pool in cluster.pools and len(p.serving) < cluster.pools[p.pool].min_size]
    if few:
        return _("{count} PGs have fewer than min_size OSDs: {pgs}").format(count=len(few), pgs=_named(few))
    known = {*osds, *accepted}
    down = sorted(o.id for o in cluster.osds.values() if not o.up and not o.destroyed and o.id not in known)
    if down:
        return _("{osds} went down").format(osds=", ".join(f"osd.{n}" for n in down))
    return ""


def forecast(cluster: Cluster, osds: Iterable[int]) -> Forecast:
    """How full the others get when the data of these OSDs has gone to them.

    Each PG of a leaving OSD goes to an OSD of its class and root, in a failure domain that holds none of its other copies, in
    proportion to CRUSH weights (straw2). A PG counts as large as the mean of its leaving OSD. To the expected number of PGs
    two standard deviations are added (sum of independent draws), since CRUSH is no even hand.
    """
    leaving = frozenset(osds)
    expected: dict[int, float] = {}
    variance: dict[int, float] = {}
    homeless: list[str] = []
    sizes = {n: _pg_size(cluster, n) for n in leaving}
    for pg in cluster.pgs:
        for gone in _losses(cluster, pg, leaving):
            places = _places(cluster, pg, gone, leaving)
            total = sum(places.values())
            if not total:
                homeless.append(pg.id)
                continue
            size = sizes[gone]
            for n, weight in places.items():
                share = weight / total
                expected[n] = expected.get(n, 0.0) + share * size
                variance[n] = variance.get(n, 0.0) + share * (1 - share) * size * size
    each = {
        n: (u.used + expected.get(n, 0.0) + 2 * math.sqrt(variance.get(n, 0.0))) / u.total
        for n, u in cluster.usage.items()
        if n not in leaving and u.total
    }
    fullest = max(each, key=lambda n: each[n], default=None)
    ratio = each[fullest] if fullest is not None else 0.0
    return Forecast(fullest, ratio, cluster.backfillfull, tuple(dict.fromkeys(homeless)), each)


def _losses(cluster: Cluster, pg: Pg, leaving: frozenset[int]) -> list[int]:
    """The leaving OSDs that a PG loses a copy with. One that is down is in no set any more: a PG that lacks a copy may be its."""
    listed = sorted(leaving & {*pg.up, *pg.acting} - {NONE})
    pool = cluster.pools.get(pg.pool)
    lacking = (pool.size if pool else 0) - len({*pg.up} - {NONE})
    down = [
        n
        for n in sorted(leaving)
        if n not in listed and n in cluster.osds and not cluster.osds[n].up and cluster.osds[n].in_
    ]
    return [*listed, *down[: max(0, lacking)]]


def _pg_size(cluster: Cluster, osd: int) -> float:
    """The mean size of a PG on an OSD (KiB); that of all OSDs where this one does not tell."""
    own = sum(osd in p.up or osd in p.acting for p in cluster.pgs)
    usage = cluster.usage.get(osd)
    if own and usage and usage.used:
        return usage.used / own
    copies = sum(len(p.serving) for p in cluster.pgs)
    return sum(u.used for u in cluster.usage.values()) / copies if copies else 0.0


def _places(cluster: Cluster, pg: Pg, gone: int, leaving: frozenset[int]) -> dict[int, float]:
    """The OSDs that a copy of a PG may go to, with their weights."""
    pool = cluster.pools.get(pg.pool)
    domain = pool.domain if pool else "host"
    lost = cluster.osds.get(gone)
    stay = [cluster.osds[n] for n in pg.up if n != gone and n in cluster.osds and n not in leaving]
    taken = {_domain(o, domain) for o in stay}
    return {
        o.id: (o.weight or 0.0) * o.reweight
        for o in cluster.osds.values()
        if o.up
        and o.in_
        and o.id not in leaving
        and _domain(o, domain) not in taken
        and (lost is None or (o.device_class, o.location.get("root")) == (lost.device_class, lost.location.get("root")))
    }


def _domain(osd: Osd, kind: str) -> str:
    return f"osd.{osd.id}" if kind == "osd" else osd.location.get(kind, f"osd.{osd.id}")
