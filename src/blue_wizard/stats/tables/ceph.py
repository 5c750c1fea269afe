"""Ceph: raw and usable space, what is safe to use, the pools, the OSDs."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from blue_wizard.stats.ceph_capacity import Osd, Root, after_loss, raw_left_now
from blue_wizard.stats.collect import OSD_DF
from blue_wizard.stats.model import Column, Number, Unit, statistic, table, topic
from blue_wizard.stats.platform import GIB, Missing, Platform
from blue_wizard.text import _

topic("ceph", lambda: _("Ceph"), "ceph", "volumes", rank=70)


def _stats(p: Platform) -> Mapping[str, Any]:
    found: Mapping[str, Any] = p.ceph_raw["df"]["stats"]
    return found


def _osds(p: Platform) -> list[Osd]:
    """OSDs that take data, each once, though several roots may hold it."""
    return list({o.id: o for root in p.ceph for o in root.osds}.values())


def _shares(p: Platform) -> list[float]:
    """Percent used of each OSD. Raises Missing when the client may not ask the manager."""
    found = _osds(p)
    if any(o.used is None for o in found):
        raise Missing(OSD_DF)
    return [100 * (o.used or 0) / o.size for o in found if o.size]


@statistic("ceph.raw", Unit.BYTES, lambda: _("Ceph: raw size"))
def raw(p: Platform) -> Number:
    """total_bytes of `ceph df`: all OSDs that are up."""
    return int(_stats(p)["total_bytes"])


@statistic("ceph.raw_used", Unit.BYTES, lambda: _("Ceph: raw bytes used"))
def raw_used(p: Platform) -> Number:
    """total_used_raw_bytes of `ceph df`: replicas, metadata and logs of the OSDs are in it."""
    return int(_stats(p)["total_used_raw_bytes"])


@statistic("ceph.raw_percent", Unit.PERCENT, lambda: _("Ceph: share of raw space used"))
def raw_percent(p: Platform) -> Number:
    """100 * total_used_raw_bytes / total_bytes of `ceph df`."""
    total = raw(p)
    used = raw_used(p)
    return 100 * used / total if total and used is not None else None


@statistic("ceph.stored", Unit.BYTES, lambda: _("Ceph: data stored"))
def stored(p: Platform) -> Number:
    """Σ of "stored" over the pools of `ceph df detail`: what clients wrote, each byte once."""
    return sum(pool.stored for root in p.ceph for pool in root.pools)


@statistic("ceph.objects", Unit.COUNT, lambda: _("Ceph: objects"))
def objects(p: Platform) -> Number:
    """Σ of "objects" over the pools of `ceph df detail`."""
    return sum(pool.objects for root in p.ceph for pool in root.pools)


@statistic("ceph.pools", Unit.COUNT, lambda: _("Ceph: pools"))
def pools_count(p: Platform) -> Number:
    """Pools in `ceph osd dump`."""
    return len(p.ceph_raw["osds"]["pools"])


def _left_now(root: Root) -> float:
    found = raw_left_now(root)
    if found is None:
        # Without the use of single OSDs, Ceph's own answer for the pool with the most copies is the next best.
        return max((x.max_avail * x.rate for x in root.pools), default=0.0)
    return float(found)


@statistic("ceph.usable", Unit.BYTES, lambda: _("Ceph: data that can still be written"))
def usable(p: Platform) -> Number:
    """Σ over CRUSH roots of the raw bytes left until the fullest OSD is at the full ratio (the rule of MAX AVAIL,
    `PGMap::get_rule_avail`) / the largest rate of copies of the root's pools. Pools of one root share it: never Σ of MAX AVAIL."""
    return int(sum(_left_now(root) / root.rate for root in p.ceph))


@statistic("ceph.safe", Unit.BYTES, lambda: _("Ceph: raw bytes that are safe to use"))
def safe(p: Platform) -> Number:
    """Σ over CRUSH roots of what may be used so that, the largest failure domain lost and its data written again elsewhere, no
    OSD passes nearfull: nearfull_ratio * what is left; with h equal hosts nearfull * (h - 1) / h of everything. Where too few
    domains are left for all copies nothing is written again, and nearfull of everything counts."""
    return int(sum(after_loss(root).raw for root in p.ceph))


@statistic("ceph.safe_percent", Unit.PERCENT, lambda: _("Ceph: share of the safe space used"))
def safe_percent(p: Platform) -> Number:
    """100 * raw bytes used / raw bytes that are safe to use (ceph.safe); beyond 100 a lost host can't be healed in full."""
    total = safe(p)
    return 100 * sum(root.used for root in p.ceph) / total if total else None


@statistic("ceph.safe_left", Unit.BYTES, lambda: _("Ceph: data that can be written safely"))
def safe_left(p: Platform) -> Number:
    """Σ over CRUSH roots of (raw bytes safe to use - raw bytes used) / the largest rate of copies, 0 at the least."""
    return int(sum(max(0.0, after_loss(root).raw - root.used) / root.rate for root in p.ceph))


@statistic("ceph.heals", Unit.BOOL, lambda: _("Ceph: copies heal after the loss of a failure domain"))
def heals(p: Platform) -> Number:
    """Whether each CRUSH root has more failure domains than its pools make copies: 3 hosts and 3 replicas can't heal."""
    return all(after_loss(root).heals for root in p.ceph)


@statistic("ceph.osds", Unit.COUNT, lambda: _("Ceph: OSDs"))
def osds(p: Platform) -> Number:
    """OSDs in `ceph osd dump`."""
    return len(p.ceph_raw["osds"]["osds"])


@statistic("ceph.osds_down", Unit.COUNT, lambda: _("Ceph: OSDs down or out"))
def osds_down(p: Platform) -> Number:
    """OSDs that are not up, or not in, in `ceph osd dump`."""
    return sum(not (o["up"] and o["in"]) for o in p.ceph_raw["osds"]["osds"])


@statistic("ceph.osd_fullest", Unit.PERCENT, lambda: _("Ceph: fullest OSD"))
def osd_fullest(p: Platform) -> Number:
    """The largest kb_used / kb of `ceph osd df`: it alone decides when writes stop."""
    return max(_shares(p), default=None)


@statistic("ceph.osd_spread", Unit.PERCENT, lambda: _("Ceph: spread of the OSDs' use"))
def osd_spread(p: Platform) -> Number:
    """Standard deviation (of the population) of the share used of the OSDs (`ceph osd df`)."""
    found = _shares(p)
    return statistics.pstdev(found) if found else None


@statistic("ceph.thin", Unit.RATIO, lambda: _("Ceph: promised to volumes for each byte stored"))
def thin(p: Platform) -> Number:
    """Σ of the sizes of Cinder's volumes / "stored" of the pools that hold RBD images (application rbd): what fills up without
    anybody asking for more."""
    rbd = {x["pool_name"] for x in p.ceph_raw["osds"]["pools"] if "rbd" in (x.get("application_metadata") or {})}
    held = sum(pool.stored for root in p.ceph for pool in root.pools if pool.name in rbd)
    return sum(v["size"] for v in p.rows("volumes")) * GIB / held if held else None


def _pool_columns() -> Sequence[Column]:
    return (
        Column("pool", _("pool")),
        Column("root", _("CRUSH root")),
        Column("rate", _("copies"), Unit.RATIO),
        Column("stored", _("stored"), Unit.BYTES),
        Column("used", _("raw used"), Unit.BYTES),
        Column("objects", _("objects"), Unit.COUNT),
        Column("max_avail", "MAX AVAIL", Unit.BYTES),
        Column("safe_left", _("safely left"), Unit.BYTES),
        Column("quota", _("quota"), Unit.BYTES),
    )


@table("ceph_pools", "ceph", lambda: _("Pools of Ceph"), _pool_columns, chart=("stored",), labels=("pool",))
def pools(p: Platform) -> Iterable[Mapping[str, Any]]:
    """One pool a line. Pools of one CRUSH root share their space: neither MAX AVAIL nor "safely left" may be added up. Safely
    left = (raw bytes safe to use on its root - used) / its copies, MAX AVAIL at the most."""
    for root in p.ceph:
        left = max(0.0, after_loss(root).raw - root.used)
        for pool in sorted(root.pools, key=lambda x: (-x.stored, x.name)):
            yield {
                "pool": pool.name,
                "root": root.name,
                "rate": pool.rate,
                "stored": pool.stored,
                "used": pool.used,
                "objects": pool.objects,
                "max_avail": pool.max_avail,
                "safe_left": int(min(left / pool.rate, pool.max_avail)),
                "quota": pool.quota or None,
            }


def _root_columns() -> Sequence[Column]:
    return (
        Column("root", _("CRUSH root")),
        Column("domain", _("failure domain")),
        Column("domains", _("domains"), Unit.COUNT),
        Column("osds", "OSDs", Unit.COUNT),
        Column("raw", _("raw size"), Unit.BYTES),
        Column("used", _("raw used"), Unit.BYTES),
        Column("safe", _("safe to use"), Unit.BYTES),
        Column("percent", _("of it used"), Unit.PERCENT),
        Column("heals", _("heals"), Unit.BOOL),
        Column("usable", _("can be written"), Unit.BYTES),
    )


@table("ceph_roots", "ceph", lambda: _("CRUSH roots"), _root_columns, chart=("percent",))
def roots(p: Platform) -> Iterable[Mapping[str, Any]]:
    """One CRUSH root (with its device class) a line: the space that its pools share. See ceph.safe and ceph.usable."""
    for root in p.ceph:
        loss = after_loss(root)
        yield {
            "root": root.name,
            "domain": root.domain,
            "domains": len(root.domains),
            "osds": len(root.osds),
            "raw": root.size,
            "used": root.used,
            "safe": int(loss.raw),
            "percent": 100 * root.used / loss.raw if loss.raw else None,
            "heals": loss.heals,
            "usable": int(_left_now(root) / root.rate),
        }


def _osd_columns() -> Sequence[Column]:
    return (
        Column("osd", "OSD"),
        Column("domain", _("failure domain")),
        Column("size", _("size"), Unit.BYTES),
        Column("used", _("used"), Unit.BYTES),
        Column("percent", "%", Unit.PERCENT),
    )


@table("ceph_osds", "ceph", lambda: _("OSDs, the fullest first"), _osd_columns, chart=("percent",), labels=("osd",))
def osd_table(p: Platform) -> Iterable[Mapping[str, Any]]:
    """One OSD that takes data a line; a dash where the client may not ask the manager."""
    order = sorted(_osds(p), key=lambda o: (-((o.used or 0) / o.size if o.size else 0), o.id))
    for o in order:
        yield {
            "osd": f"osd.{o.id}",
            "domain": o.domain,
            "size": o.size,
            "used": o.used,
            "percent": None if o.used is None or not o.size else 100 * o.used / o.size,
        }
