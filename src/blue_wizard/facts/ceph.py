"""What a Ceph cluster says of its OSDs and placement groups, from Jewel (10) on: commands and their pure parsers.

The words and fields are those of `ceph ... -f json` in Ceph's documentation (rados/operations) and in the sources of
OSDMap::dump and PGMap::dump. Jewel's answers differ in their outer form: lists where later releases have an object, flags
as one word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "COMMANDS",
    "NONE",
    "Cluster",
    "Osd",
    "Pg",
    "Pool",
    "Usage",
    "commit_latencies",
    "failure_domain_of",
    "parse_cluster",
    "release_of",
]

NONE = 2147483647
"""CRUSH_ITEM_NONE: a place in an erasure-coded PG that no OSD holds."""

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "status": ("status",),
    "dump": ("osd", "dump"),
    "tree": ("osd", "tree"),
    "df": ("osd", "df"),
    "metadata": ("osd", "metadata"),
    "crush": ("osd", "crush", "dump"),
    "pgs": ("pg", "dump", "pgs_brief"),
    "osd_stats": ("pg", "dump", "osds"),
    "health": ("health", "detail"),
}
"""The words after ``ceph`` whose JSON `parse_cluster` reads, all of them known to Jewel."""

# osd_backfill_full_ratio of Jewel's configuration reference; later releases keep the ratio in the OSD map.
_JEWEL_BACKFILLFULL = 0.85
_RELEASES = (
    "jewel",
    "kraken",
    "luminous",
    "mimic",
    "nautilus",
    "octopus",
    "pacific",
    "quincy",
    "reef",
    "squid",
    "tentacle",
)
_FIRST = 10
_OSD_NAME = re.compile(r"\bosd\.(\d+)\b")


@dataclass(frozen=True)
class Usage:
    """How full an OSD is (KiB), and how many PGs it says it stores; None: it has not said (Jewel never does)."""

    total: int
    used: int
    num_pgs: int | None = None

    @property
    def ratio(self) -> float:
        """The used part, 0 to 1; 0 for an OSD without a size."""
        return self.used / self.total if self.total else 0.0


@dataclass(frozen=True)
class Osd:
    """One OSD of the map. `weight` is CRUSH's, `reweight` the override of 0 to 1 that ``osd out`` sets to 0.

    `location` are the CRUSH buckets above it, type to name. `metadata` is what its daemon said when it last began.
    """

    id: int
    uuid: str
    up: bool
    in_: bool
    reweight: float
    state: tuple[str, ...] = ()
    weight: float | None = None
    device_class: str = ""
    location: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    up_from: int = 0

    @property
    def destroyed(self) -> bool:
        """Its id is kept, its key and data are gone."""
        return "destroyed" in self.state

    @property
    def hostname(self) -> str:
        """The host that its daemon ran on, as that host names itself; "" when it never ran."""
        return self.metadata.get("hostname", "")


@dataclass(frozen=True)
class Pg:
    """A placement group: the OSDs that it should be on (`up`) and is served by (`acting`)."""

    id: str
    state: frozenset[str]
    up: tuple[int, ...]
    acting: tuple[int, ...]

    @property
    def pool(self) -> int:
        """The number of its pool."""
        return int(self.id.split(".")[0])

    @property
    def clean(self) -> bool:
        """Active and clean, whatever else (scrubbing) goes on."""
        return {"active", "clean"} <= self.state

    @property
    def serving(self) -> frozenset[int]:
        """The OSDs that really hold a place in `acting`."""
        return frozenset(o for o in self.acting if o != NONE)


@dataclass(frozen=True)
class Pool:
    """A pool. `domain` is the type of CRUSH bucket of which each copy has one of its own."""

    id: int
    name: str
    size: int
    min_size: int
    domain: str = "host"


@dataclass(frozen=True)
class Cluster:
    """A cluster at one moment. `slow` are OSDs with slow or blocked requests, `checks` the names of its health checks.

    `moving` is how many copies of objects are not where they should be (degraded or misplaced).
    """

    fsid: str
    epoch: int
    release: str
    flags: frozenset[str]
    osds: Mapping[int, Osd]
    pools: Mapping[int, Pool]
    pgs: tuple[Pg, ...]
    usage: Mapping[int, Usage]
    backfillfull: float
    quorum: int
    mons: int
    health: str
    checks: tuple[str, ...] = ()
    slow: frozenset[int] = frozenset()
    moving: int = 0

    @property
    def number(self) -> int:
        """The release as a number: jewel is 10."""
        return _RELEASES.index(self.release) + _FIRST if self.release in _RELEASES else _FIRST

    @property
    def all_clean(self) -> bool:
        """Every PG is active and clean."""
        return all(p.clean for p in self.pgs)


def release_of(dump: Mapping[str, Any], metadata: list[Mapping[str, Any]]) -> str:
    """The release that all OSDs have at least: of the map where it says so (Luminous on), else of the daemons' versions."""
    named = str(dump.get("require_osd_release") or "")
    if named in _RELEASES:
        return named
    versions = [str(m.get("ceph_version", "")) for m in metadata]
    known = [n for n in (_major(v) - _FIRST for v in versions) if 0 <= n < len(_RELEASES)]
    found = [_RELEASES[n] for n in known]
    return min(found, key=_RELEASES.index, default="jewel")


def _major(version: str) -> int:
    """10 of ``ceph version 10.2.11 (...)``; 0 when there is none."""
    words = version.removeprefix("ceph version ").split(".")
    return int(words[0]) if words and words[0].isdigit() else 0


def failure_domain_of(rule: Mapping[str, Any]) -> str:
    """The type of bucket that a CRUSH rule spreads copies over: that of its last choosing step; "osd" when it has none."""
    types = [s["type"] for s in rule.get("steps", ()) if str(s.get("op", "")).startswith("choose")]
    return str(types[-1]) if types else "osd"


def parse_cluster(answers: Mapping[str, Any]) -> Cluster:
    """The cluster out of the JSON of `COMMANDS`. Raises KeyError or TypeError when an answer has another form.

    Only ``dump``, ``status`` and ``pgs`` have to be there; what else was not asked stays unknown.
    """
    dump, status = answers["dump"], answers["status"]
    tree = answers.get("tree", {"nodes": ()})
    metadata = list(answers.get("metadata", ()))
    places = _places(tree)
    told = {int(m["id"]): {k: str(v) for k, v in m.items()} for m in metadata if "id" in m}
    osds = {int(o["osd"]): _osd(o, places, told) for o in dump["osds"]}
    rules = {int(r["rule_id"]): failure_domain_of(r) for r in answers.get("crush", {}).get("rules", ())}
    monmap = status["monmap"]
    health = status["health"]
    checks = health.get("checks") or {}
    return Cluster(
        fsid=str(dump["fsid"]),
        epoch=int(dump["epoch"]),
        release=release_of(dump, metadata),
        flags=frozenset(dump["flags_set"] if "flags_set" in dump else str(dump["flags"]).split(",")),
        osds=osds,
        pools={int(p["pool"]): _pool(p, rules) for p in dump["pools"]},
        pgs=tuple(_pg(p) for p in _rows(answers["pgs"], "pg_stats")),
        usage=_usage(answers.get("df", {"nodes": ()}), _rows(answers.get("osd_stats", []), "osd_stats")),
        backfillfull=float(dump.get("backfillfull_ratio") or _JEWEL_BACKFILLFULL),
        quorum=len(status["quorum"]),
        mons=len(monmap["mons"]) if "mons" in monmap else int(monmap["num_mons"]),
        health=str(health.get("status") or health.get("overall_status")),
        checks=tuple(sorted(checks)),
        slow=_slow(answers.get("health", {})),
        moving=sum(int(status.get("pgmap", {}).get(k) or 0) for k in ("degraded_objects", "misplaced_objects")),
    )


def commit_latencies(answer: Mapping[str, Any]) -> list[float]:
    """The commit latency of each OSD (ms) in ``osd perf``; Nautilus put one more object around it."""
    rows = (answer.get("osdstats") or answer).get("osd_perf_infos") or ()
    return [float(r["perf_stats"]["commit_latency_ms"]) for r in rows]


def _slow(answer: Any) -> frozenset[int]:
    """The OSDs of which ``health detail`` says that requests are slow (Luminous on) or blocked (Jewel)."""
    lines = [text for text in _texts(answer) if "slow" in text or "blocked" in text]
    return frozenset(int(n) for line in lines for n in _OSD_NAME.findall(line))


def _texts(answer: Any) -> Iterator[str]:
    if isinstance(answer, str):
        yield answer
    elif isinstance(answer, Mapping | list):
        for inner in answer.values() if isinstance(answer, Mapping) else answer:
            yield from _texts(inner)


def _rows(answer: Any, key: str) -> list[Mapping[str, Any]]:
    # A list up to Luminous; an object around it since; once more within "pg_map" in some.
    if isinstance(answer, list):
        return answer
    inner = answer.get("pg_map", answer)
    rows: list[Mapping[str, Any]] = inner[key]
    return rows


def _places(tree: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    """For each OSD of the CRUSH tree: ``{weight, class, location}``."""
    nodes = {int(n["id"]): n for n in tree["nodes"]}
    above = {int(child): n for n in nodes.values() for child in n.get("children", ())}
    found: dict[int, Mapping[str, Any]] = {}
    for number, node in nodes.items():
        if number < 0:
            continue
        location, at = {}, number
        while at in above:
            bucket = above[at]
            location[str(bucket["type"])] = str(bucket["name"])
            at = int(bucket["id"])
        found[number] = {
            "weight": float(node["crush_weight"]),
            "class": str(node.get("device_class", "")),
            "location": location,
        }
    return found


def _osd(o: Mapping[str, Any], places: Mapping[int, Mapping[str, Any]], told: Mapping[int, dict[str, str]]) -> Osd:
    number = int(o["osd"])
    place = places.get(number, {})
    return Osd(
        id=number,
        uuid=str(o.get("uuid", "")),
        up=bool(o["up"]),
        in_=bool(o["in"]),
        reweight=float(o["weight"]),
        state=tuple(o.get("state", ())),
        weight=place.get("weight"),
        device_class=place.get("class", ""),
        location=place.get("location", {}),
        metadata=told.get(number, {}),
        up_from=int(o.get("up_from", 0)),
    )


def _pool(p: Mapping[str, Any], rules: Mapping[int, str]) -> Pool:
    # Jewel names the rule "crush_ruleset".
    rule = int(p.get("crush_rule", p.get("crush_ruleset", 0)))
    return Pool(int(p["pool"]), str(p["pool_name"]), int(p["size"]), int(p["min_size"]), rules.get(rule, "host"))


def _pg(p: Mapping[str, Any]) -> Pg:
    return Pg(str(p["pgid"]), frozenset(str(p["state"]).split("+")), tuple(p["up"]), tuple(p["acting"]))


def _usage(df: Mapping[str, Any], stats: list[Mapping[str, Any]]) -> dict[int, Usage]:
    stored = {int(s["osd"]): s.get("num_pgs") for s in stats}
    rows = [*df["nodes"], *df.get("stray", ())]
    return {int(r["id"]): Usage(int(r["kb"]), int(r["kb_used"]), stored.get(int(r["id"]))) for r in rows}
