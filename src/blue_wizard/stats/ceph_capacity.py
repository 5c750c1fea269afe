"""What a Ceph cluster can hold: now, and safely. Pure; sizes in bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Osd", "Pool", "Root", "after_loss", "data_capacity", "raw_left_now", "roots"]

_KIB = 1024
_TIB = 1 << 40


@dataclass(frozen=True)
class Osd:
    """An OSD that takes part in the placement of data. `used` is None where the manager did not tell."""

    id: int
    domain: str
    size: int
    used: int | None
    weight: float


@dataclass(frozen=True)
class Pool:
    """A pool. `rate` is how many bytes on disks one stored byte costs: the replicas, or (k+m)/k; `copies` are the
    replicas, or k+m, each in a failure domain of its own."""

    name: str
    id: int
    rate: float
    copies: int
    stored: int
    used: int
    objects: int
    max_avail: int
    quota: int


@dataclass(frozen=True)
class Root:
    """OSDs that the same kind of CRUSH rule chooses from, and the pools that share them: their MAX AVAIL is one and the same space.

    `name` is the CRUSH root with its device class (``default~ssd``); `domain` is the type of the failure domain. `full` and
    `nearfull` are the cluster's ratios (0 to 1).
    """

    name: str
    domain: str
    osds: tuple[Osd, ...]
    pools: tuple[Pool, ...]
    full: float
    nearfull: float
    told: int | None = None
    """Raw bytes in use as ``ceph df`` tells them for all these OSDs, where it does."""

    @property
    def size(self) -> int:
        """Raw bytes of all its OSDs."""
        return sum(o.size for o in self.osds)

    @property
    def copies(self) -> int:
        """The most copies that one of its pools makes."""
        return max((p.copies for p in self.pools), default=1)

    @property
    def rate(self) -> float:
        """The largest rate of its pools: what the next byte may cost."""
        return max((p.rate for p in self.pools), default=1.0)

    @property
    def domains(self) -> Mapping[str, int]:
        """Raw bytes of each failure domain."""
        found: dict[str, int] = {}
        for osd in self.osds:
            found[osd.domain] = found.get(osd.domain, 0) + osd.size
        return found

    @property
    def used(self) -> int:
        """Raw bytes in use: what the OSDs say, else ``ceph df``, else what the pools use (without the OSDs' own metadata)."""
        if all(o.used is not None for o in self.osds):
            return sum(o.used or 0 for o in self.osds)
        return sum(p.used for p in self.pools) if self.told is None else self.told


def raw_left_now(root: Root) -> int | None:
    """Raw bytes that can be written until the first OSD is full, data going to OSDs by their weights; None without their use.

    For each OSD: what is left below the full ratio, divided by its share of the weights; the smallest of these counts. This is the
    rule of MAX AVAIL (`PGMap::get_rule_avail` in Ceph), which divides by the pool's rate afterwards. So MAX AVAIL of pools on one
    root are views of the same space, and must never be added up; and one OSD that is too full costs all of them.
    """
    weights = sum(o.weight for o in root.osds)
    if not weights or any(o.used is None for o in root.osds):
        return None
    return int(
        min(max(0.0, o.size * root.full - (o.used or 0)) * weights / o.weight for o in root.osds if o.weight > 0)
    )


def data_capacity(domains: Sequence[int], copies: int) -> float:
    """How much data fits when each of its copies needs a failure domain of its own: the largest D with Σ min(c, D) ≥ copies * D.

    Where one domain is bigger than the rest can match, its surplus is of no use. 0 with fewer domains than copies.
    """
    sizes = sorted(domains, reverse=True)
    if copies < 1 or len(sizes) < copies:
        return 0.0
    # The bigger ones among fewer than `copies` may be capped: with one left to share, its sum is never smaller than itself.
    shares = (sum(sizes[capped:]) / (copies - capped) for capped in range(copies))
    return next(share for capped, share in enumerate(shares) if sizes[capped] <= share)


@dataclass(frozen=True)
class AfterLoss:
    """The largest failure domain lost, and all its data written again elsewhere.

    `raw` are the raw bytes that may be used, so that every OSD stays below nearfull when that has happened. `heals` is False
    where too few domains would be left for all copies: the data stay degraded then, and nothing is written again.
    """

    lost: str
    raw: float
    heals: bool


def after_loss(root: Root, *lost: str) -> AfterLoss:
    """What is safe to use: the nearfull share of what is left without the largest failure domain (or those named).

    For h equal domains and fewer copies than that it is ``nearfull * (h - 1) / h`` of everything. Where copies can't heal
    (h - 1 < copies), the rest keeps its own copies only, and the nearfull share of everything counts.
    """
    domains = dict(root.domains)
    gone = lost or ((max(domains, key=lambda d: (domains[d], d)),) if domains else ())
    left = [size for name, size in domains.items() if name not in gone]
    if len(left) < root.copies:
        return AfterLoss(", ".join(gone), data_capacity(list(domains.values()), root.copies) * root.copies * root.nearfull,
                         heals=False)  # fmt: skip
    return AfterLoss(", ".join(gone), data_capacity(left, root.copies) * root.copies * root.nearfull, heals=True)


def roots(ceph: Mapping[str, Any]) -> list[Root]:
    """The roots in the answers to ``df detail``, ``osd dump``, ``osd crush dump`` and ``osd df`` (None where refused).

    Sizes are those of ``osd df``; without them a CRUSH weight counts as TiB, which is what Ceph sets it to at creation.
    Rules that take the same root, device class and failure domain share one.
    """
    crush, dump = ceph["crush"], ceph["osds"]
    df = {p["id"]: p["stats"] for p in ceph["df"]["pools"]}
    told = {n["id"]: n for n in (ceph["osd_df"] or {"nodes": []})["nodes"]}
    within = {o["osd"] for o in dump["osds"] if o["in"]}
    buckets = {b["id"]: b for b in crush["buckets"]}
    profiles = dump.get("erasure_code_profiles", {})
    rules = {r["rule_id"]: _steps(r) for r in crush["rules"]}
    members: dict[tuple[int, str], list[Pool]] = {}
    for pool in dump["pools"]:
        key = rules.get(pool["crush_rule"])
        if key is not None:
            members.setdefault(key, []).append(_pool(pool, df.get(pool["pool"], {}), profiles))
    found = []
    for (item, domain), pools in sorted(members.items(), key=lambda m: (buckets[m[0][0]]["name"], m[0][1])):
        osds = tuple(
            _osd(number, where, weight, told.get(number))
            for number, where, weight in _leaves(item, domain, buckets, "")
            if number in within
        )
        device = buckets[item]["name"].partition("~")[2]
        stats = (
            ceph["df"].get("stats_by_class", {}).get(device)
            if device
            else ceph["df"]["stats"]
            if len(members) == 1
            else None
        )
        told_used = None if stats is None else int(stats["total_used_raw_bytes"])
        found.append(
            Root(
                buckets[item]["name"], domain, osds, tuple(pools), dump["full_ratio"], dump["nearfull_ratio"], told_used
            )
        )
    return found


def _steps(rule: Mapping[str, Any]) -> tuple[int, str] | None:
    take = next((s["item"] for s in rule["steps"] if s["op"] == "take"), None)
    choose = [s for s in rule["steps"] if s["op"].startswith("choose")]
    return None if take is None or not choose else (take, str(choose[0]["type"]))


def _pool(pool: Mapping[str, Any], stats: Mapping[str, Any], profiles: Mapping[str, Mapping[str, str]]) -> Pool:
    copies = int(pool["size"])
    profile = profiles.get(pool.get("erasure_code_profile") or "", {})
    erasure = pool["type"] == 3 and "k" in profile
    return Pool(
        name=pool["pool_name"],
        id=pool["pool"],
        rate=copies / int(profile["k"]) if erasure else float(copies),
        copies=copies,
        stored=int(stats.get("stored", 0)),
        used=int(stats.get("bytes_used", 0)),
        objects=int(stats.get("objects", 0)),
        max_avail=int(stats.get("max_avail", 0)),
        quota=int(stats.get("quota_bytes", 0)),
    )


def _osd(number: int, domain: str, weight: float, told: Mapping[str, Any] | None) -> Osd:
    if told is None:
        return Osd(number, domain, int(weight * _TIB), None, weight)
    return Osd(number, domain, int(told["kb"]) * _KIB, int(told["kb_used"]) * _KIB, weight * float(told["reweight"]))


def _leaves(
    item: int, domain: str, buckets: Mapping[int, Mapping[str, Any]], where: str
) -> Iterable[tuple[int, str, float]]:
    """OSD, failure domain, weight in TiB, of everything below the item."""
    bucket = buckets[item]
    # Shadow buckets of a device class are called NAME~CLASS.
    at = bucket["name"].partition("~")[0] if bucket["type_name"] == domain else where
    for child in bucket["items"]:
        if child["id"] >= 0:
            # Weights are kept as 16.16 fixed point.
            yield child["id"], at or f"osd.{child['id']}", child["weight"] / 0x10000
        elif child["id"] in buckets:
            yield from _leaves(child["id"], domain, buckets, at)
