"""What a Ceph cluster says of itself: health, monitors, OSDs, pools, CRUSH rules, RBD images. Pure parsers of ``ceph ... -f
json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

__all__ = ["CephCrashes", "CephHealth", "CephMap", "CephOsdPerf", "CephOsdUse", "CephRules", "CephStatus", "CephTree", "CephUse",
           "CephVersions", "HealthCode", "Node", "OsdUse", "Pool", "PoolUse", "RbdImages", "RbdSizes", "RbdSnapshots",
           "Rule"]  # fmt: skip


@dataclass(frozen=True)
class HealthCode:
    """One code of ``ceph health detail``."""

    code: str
    severity: str
    summary: str
    details: tuple[str, ...] = ()
    muted: bool = False


@dataclass(frozen=True)
class CephHealth:
    """``ceph health detail``."""

    status: str
    codes: tuple[HealthCode, ...] = ()

    @staticmethod
    def parse(data: Mapping[str, Any]) -> CephHealth:
        """Its JSON."""
        return CephHealth(
            data["status"],
            tuple(
                HealthCode(
                    code,
                    c["severity"],
                    c["summary"]["message"],
                    tuple(d["message"] for d in c.get("detail") or ()),
                    bool(c.get("muted")),
                )
                for code, c in sorted((data.get("checks") or {}).items())
            ),
        )


@dataclass(frozen=True)
class CephStatus:
    """``ceph status``: monitors in the map and in the quorum, managers, states of placement groups."""

    mons: int
    quorum: tuple[str, ...]
    manager: bool
    standbys: int
    osds: int = 0
    up: int = 0
    inside: int = 0
    states: Mapping[str, int] = field(default_factory=dict)

    @staticmethod
    def parse(data: Mapping[str, Any]) -> CephStatus:
        """Its JSON."""
        osds = data.get("osdmap") or {}
        osds = osds.get("osdmap", osds)
        return CephStatus(
            int((data.get("monmap") or {}).get("num_mons") or len((data.get("monmap") or {}).get("mons") or ())),
            tuple(data.get("quorum_names") or ()),
            bool((data.get("mgrmap") or {}).get("available")),
            int((data.get("mgrmap") or {}).get("num_standbys") or 0),
            int(osds.get("num_osds") or 0),
            int(osds.get("num_up_osds") or 0),
            int(osds.get("num_in_osds") or 0),
            {s["state_name"]: int(s["count"]) for s in (data.get("pgmap") or {}).get("pgs_by_state") or ()},
        )


@dataclass(frozen=True)
class Pool:
    """A pool."""

    id: int
    name: str
    size: int = 3
    min_size: int = 2
    rule: int = 0
    pg_num: int = 32
    pgp_num: int = 32
    erasure: bool = False
    autoscale: str = "on"
    applications: tuple[str, ...] = ("rbd",)


@dataclass(frozen=True)
class CephMap:
    """``ceph osd dump``: ratios, flags, pools."""

    pools: tuple[Pool, ...] = ()
    flags: frozenset[str] = frozenset()
    nearfull: float = 0.85
    backfillfull: float = 0.90
    full: float = 0.95
    fsid: str = ""

    @cached_property
    def rbd_pools(self) -> tuple[str, ...]:
        """The pools with the application rbd."""
        return tuple(p.name for p in self.pools if "rbd" in p.applications)

    @staticmethod
    def parse(data: Mapping[str, Any]) -> CephMap:
        """Its JSON."""
        return CephMap(
            tuple(
                Pool(
                    int(p["pool"]),
                    p["pool_name"],
                    int(p["size"]),
                    int(p["min_size"]),
                    int(p["crush_rule"]),
                    int(p["pg_num"]),
                    int(p["pg_placement_num"]),
                    int(p["type"]) == 3,
                    p.get("pg_autoscale_mode") or "",
                    tuple(p.get("application_metadata") or ()),
                )
                for p in data["pools"]
            ),
            frozenset(filter(None, data.get("flags", "").split(","))),
            round(float(data["nearfull_ratio"]), 4),
            round(float(data["backfillfull_ratio"]), 4),
            round(float(data["full_ratio"]), 4),
            data.get("fsid") or "",
        )


@dataclass(frozen=True)
class Node:
    """A bucket or OSD of the CRUSH tree."""

    id: int
    name: str
    type: str
    children: tuple[int, ...] = ()
    up: bool = True
    reweight: float = 1.0
    weight: float = 0.0
    device_class: str = ""


@dataclass(frozen=True)
class CephTree:
    """``ceph osd tree``."""

    nodes: tuple[Node, ...] = ()

    @cached_property
    def by_id(self) -> Mapping[int, Node]:
        """By id."""
        return {n.id: n for n in self.nodes}

    def osds_below(self, node: Node) -> list[Node]:
        """The OSDs in a bucket, however deep."""
        if node.type == "osd":
            return [node]
        return [o for c in node.children if c in self.by_id for o in self.osds_below(self.by_id[c])]

    def host_of(self, osd: int) -> str:
        """The name of the host bucket that holds an OSD, "" for none."""
        return next((n.name for n in self.nodes if n.type == "host" and osd in n.children), "")

    @staticmethod
    def parse(data: Mapping[str, Any]) -> CephTree:
        """Its JSON."""
        return CephTree(
            tuple(
                Node(
                    int(n["id"]),
                    n["name"],
                    n["type"],
                    tuple(n.get("children") or ()),
                    n.get("status", "up") == "up",
                    float(n.get("reweight", 1.0)),
                    float(n.get("crush_weight", 0.0)),
                    n.get("device_class") or "",
                )
                for n in (*data["nodes"], *(data.get("stray") or ()))
            )
        )


@dataclass(frozen=True)
class Rule:
    """A CRUSH rule: where it begins, and over which kind of bucket it spreads the copies."""

    id: int
    name: str
    root: int
    domain: str


@dataclass(frozen=True)
class CephRules:
    """``ceph osd crush rule dump``."""

    rows: tuple[Rule, ...] = ()

    @staticmethod
    def parse(data: Iterable[Mapping[str, Any]]) -> CephRules:
        """Its JSON. Rules with several takes are left out: their copies lie in several places by design."""
        found = []
        for r in data:
            takes = [s for s in r["steps"] if s["op"] == "take"]
            spread = [s for s in r["steps"] if s["op"].startswith("choose")]
            if len(takes) == 1 and len(spread) == 1:
                found.append(Rule(int(r["rule_id"]), r["rule_name"], int(takes[0]["item"]), spread[0]["type"]))
        return CephRules(tuple(found))


@dataclass(frozen=True)
class PoolUse:
    """How full a pool is: `used` is the share (0 to 1) of what it could hold; sizes in bytes."""

    name: str
    stored: int
    free: int
    used: float
    quota: int = 0


@dataclass(frozen=True)
class CephUse:
    """``ceph df detail``; sizes in bytes."""

    total: int
    used: int
    pools: tuple[PoolUse, ...] = ()

    @staticmethod
    def parse(data: Mapping[str, Any]) -> CephUse:
        """Its JSON."""
        return CephUse(
            int(data["stats"]["total_bytes"]),
            int(data["stats"]["total_used_raw_bytes"]),
            tuple(
                PoolUse(
                    p["name"],
                    int(p["stats"]["stored"]),
                    int(p["stats"]["max_avail"]),
                    float(p["stats"]["percent_used"]),
                    int(p["stats"].get("quota_bytes") or 0),
                )
                for p in data["pools"]
            ),
        )


@dataclass(frozen=True)
class OsdUse:
    """An OSD of ``ceph osd df``: `used` is its share (0 to 1), `size` in bytes."""

    id: int
    used: float
    pgs: int
    size: int
    weight: float
    up: bool = True
    reweight: float = 1.0


@dataclass(frozen=True)
class CephOsdUse:
    """``ceph osd df`` (asked of the manager)."""

    rows: tuple[OsdUse, ...] = ()

    @staticmethod
    def parse(data: Mapping[str, Any]) -> CephOsdUse:
        """Its JSON."""
        return CephOsdUse(
            tuple(
                OsdUse(
                    int(n["id"]),
                    float(n["utilization"]) / 100,
                    int(n["pgs"]),
                    int(n["kb"]) * 1024,
                    float(n["crush_weight"]),
                    n.get("status", "up") == "up",
                    float(n.get("reweight", 1.0)),
                )
                for n in data["nodes"]
            )
        )


@dataclass(frozen=True)
class CephOsdPerf:
    """``ceph osd perf``: how long a write takes on each OSD, in milliseconds (asked of the manager)."""

    commit_ms: Mapping[int, float] = field(default_factory=dict)

    @staticmethod
    def parse(data: Mapping[str, Any]) -> CephOsdPerf:
        """Its JSON; older releases have the list without ``osdstats`` around it."""
        rows = data.get("osdstats", data).get("osd_perf_infos") or ()
        return CephOsdPerf({int(r["id"]): float(r["perf_stats"]["commit_latency_ms"]) for r in rows})


@dataclass(frozen=True)
class CephVersions:
    """``ceph versions``: how many daemons run each release, by its number."""

    overall: Mapping[str, int] = field(default_factory=dict)

    @staticmethod
    def parse(data: Mapping[str, Any]) -> CephVersions:
        """Its JSON (``ceph version 16.2.15 (HASH) pacific (stable)``)."""
        found: dict[str, int] = {}
        for name, count in (data.get("overall") or {}).items():
            number = name.split()[2] if len(name.split()) > 2 else name
            found[number] = found.get(number, 0) + int(count)
        return CephVersions(found)


@dataclass(frozen=True)
class CephCrashes:
    """``ceph crash ls-new``: crashes that nobody has looked at. (id, entity)."""

    rows: tuple[tuple[str, str], ...] = ()

    @staticmethod
    def parse(data: Iterable[Mapping[str, Any]]) -> CephCrashes:
        """Its JSON."""
        return CephCrashes(tuple((r["crash_id"], r.get("entity_name") or "") for r in data))


@dataclass(frozen=True)
class RbdImages:
    """The names of the RBD images of each pool with the application rbd."""

    pools: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def pool_of(self, names: Iterable[str]) -> str | None:
        """The pool in which most of these images lie; None where none of them lies anywhere."""
        wanted = set(names)
        counts = {pool: len(wanted & images) for pool, images in self.pools.items()}
        best = max(counts, key=lambda p: (counts[p], p), default=None)
        return best if best is not None and counts[best] else None

    @staticmethod
    def parse(pools: Mapping[str, Sequence[str]]) -> RbdImages:
        """From the listings."""
        return RbdImages({pool: frozenset(names) for pool, names in pools.items()})


@dataclass(frozen=True)
class RbdSizes:
    """The sizes (bytes) of the images that volumes lie in, by image name."""

    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RbdSnapshots:
    """The names of the snapshots of the images that volumes lie in, by image name; those of the trash are left out."""

    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
