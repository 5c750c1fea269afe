"""Ceph."""

from __future__ import annotations

from blue_wizard.facts.ceph_cluster import (
    CephCrashes,
    CephHealth,
    CephMap,
    CephOsdPerf,
    CephOsdUse,
    CephRules,
    CephStatus,
    CephTree,
    CephUse,
    CephVersions,
    HealthCode,
    Node,
    OsdUse,
    Pool,
    PoolUse,
    Rule,
)

from .base import case

_TIB = 1 << 40


def _tree(hosts: int = 4, down: frozenset[int] = frozenset(), classes: bool = True) -> CephTree:
    """`hosts` hosts with one OSD each, below one root."""
    osds = [Node(i, f"osd.{i}", "osd", (), i not in down, 1.0, 1.0, "ssd" if classes else "") for i in range(hosts)]
    boxes = [Node(-2 - i, f"ceph{i}", "host", (i,)) for i in range(hosts)]
    return CephTree((Node(-1, "default", "root", tuple(b.id for b in boxes)), *boxes, *osds))


def _use(*shares: float, pgs: int = 100) -> CephOsdUse:
    return CephOsdUse(tuple(OsdUse(i, share, pgs, _TIB, 1.0) for i, share in enumerate(shares)))


_WELL = CephStatus(3, ("a", "b", "c"), True, 1, 3, 3, 3, {"active+clean": 90, "active+clean+scrubbing+deep": 2})

case(
    "ceph.health",
    bad=[
        CephHealth(
            "HEALTH_ERR",
            (
                HealthCode("SLOW_OPS", "HEALTH_WARN", "3 slow ops"),
                HealthCode("PG_DAMAGED", "HEALTH_ERR", "1 pg inconsistent"),
                HealthCode("OSD_DOWN", "HEALTH_WARN", "told by ceph.osd-down"),
                HealthCode("OSDMAP_FLAGS", "HEALTH_WARN", "noout", muted=True),
            ),
        )
    ],
    finds={"SLOW_OPS": "warning", "PG_DAMAGED": "critical", "OSDMAP_FLAGS": "info"},
    good=[CephHealth("HEALTH_WARN", (HealthCode("OSD_DOWN", "HEALTH_WARN", "1 osds down"),))],
)
case("ceph.mon-quorum", bad=[CephStatus(5, ("a", "b", "c", "d"), True, 1)], finds={"quorum": "warning"}, good=[_WELL])
case("ceph.mon-count", bad=[CephStatus(1, ("a",), True, 1)], finds=["mons"], good=[_WELL])
case("ceph.manager", bad=[CephStatus(3, ("a", "b", "c"), False, 0)], finds={"mgr": "warning"}, good=[_WELL])
case(
    "ceph.osd-down",
    bad=[_tree(40, frozenset({3}))],
    finds={"osd.3": "warning"},
    good=[_tree()],
)
case(
    "ceph.osd-out",
    bad=[CephTree((Node(0, "osd.0", "osd", reweight=0.0, weight=1.0),))],
    finds=["osd.0"],
    good=[CephTree((Node(0, "osd.0", "osd", weight=1.0), Node(1, "osd.1", "osd", up=False, reweight=0.0)))],
)
case(
    "ceph.pg-inactive",
    bad=[CephStatus(3, ("a",), True, 1, states={"active+clean": 9, "down": 1, "incomplete": 2})],
    finds={"pgs": "critical"},
    good=[CephStatus(3, ("a",), True, 1, states={"active+clean": 9, "active+undersized+degraded": 3})],
)
case(
    "ceph.pg-degraded",
    bad=[CephStatus(3, ("a",), True, 1, states={"active+clean": 9, "active+undersized+degraded": 3})],
    finds=["pgs"],
    good=[CephStatus(3, ("a",), True, 1, states={"active+clean": 9, "active+remapped+backfilling": 3})],
)
case(
    "ceph.osd-nearfull",
    bad=[_use(0.82, 0.91, 0.5), CephMap(), _tree()],
    finds={"osd.0": "warning", "osd.1": "critical"},
    good=[_use(0.7, 0.6), CephMap(), _tree()],
)
case(
    "ceph.imbalance",
    bad=[_use(0.75, 0.40, 0.40), _tree()],
    finds=["osd.0"],
    good=[_use(0.50, 0.45, 0.40), _tree()],
)
case(
    "ceph.raw-use",
    bad=[CephUse(100, 85)],
    finds={"raw": "critical"},
    good=[CephUse(100, 60)],
)
case(
    "ceph.host-loss",
    bad=[_use(0.7, 0.7, 0.7, 0.7), CephMap(), _tree(4)],
    finds=["host loss"],
    good=[_use(0.5, 0.5, 0.5, 0.5), CephMap(), _tree(4)],
)
case(
    "ceph.pool-full",
    bad=[CephUse(100, 1, (PoolUse("a", 5, 1, 0.85), PoolUse("b", 95, 100, 0.1, quota=100)))],
    finds={"a": "warning", "b": "critical"},
    good=[CephUse(100, 1, (PoolUse("a", 5, 1, 0.5), PoolUse("b", 5, 100, 0.1, quota=100)))],
)
case(
    "ceph.pool-copies",
    bad=[CephMap((Pool(1, "vms", 2, 1), Pool(2, "scratch", 1, 1)))],
    finds={"vms": "warning", "scratch": "critical"},
    good=[
        CephMap(
            (
                Pool(1, "vms"),
                Pool(2, "ec", 6, 5, erasure=True),
                Pool(3, "device_health_metrics", 2, 1),
                Pool(4, ".mgr", 2, 1),
            )
        )
    ],
)
_RULES = CephRules((Rule(0, "by-host", -1, "host"), Rule(1, "by-osd", -1, "osd")))
case(
    "ceph.failure-domain",
    bad=[CephMap((Pool(1, "wide", 5, 3), Pool(2, "narrow", 3, 2, rule=1))), _RULES, _tree()],
    finds=["wide", "narrow"],
    good=[CephMap((Pool(1, "vms"), Pool(2, "odd", 3, 2, rule=7))), _RULES, _tree(4, frozenset({3}))],
)
case(
    "ceph.flags",
    bad=[CephMap(flags=frozenset({"noout", "pauserd", "sortbitwise"}))],
    finds={"noout": "warning", "pauserd": "critical"},
    good=[CephMap(flags=frozenset({"sortbitwise", "purged_snapdirs"}))],
)
case("ceph.ratios", bad=[CephMap(nearfull=0.9, full=0.97)], finds=["nearfull", "full"], good=[CephMap()])
case("ceph.crashes", bad=[CephCrashes((("c1", "osd.3"), ("c2", "osd.3")))], finds=["osd.3"], good=[CephCrashes()])
case("ceph.pgs-per-osd", bad=[_use(0.1, pgs=400)], finds=["osd.0"], good=[_use(0.1, pgs=100)])
case(
    "ceph.pg-num",
    bad=[CephMap((Pool(1, "vms", pg_num=100, pgp_num=100),))],
    finds=["vms"],
    good=[CephMap((Pool(1, "vms", pg_num=128, pgp_num=128), Pool(2, "moving", pg_num=100, pgp_num=90)))],
)
case(
    "ceph.pool-application",
    bad=[CephMap((Pool(1, "x", applications=()),))],
    finds=["x"],
    good=[CephMap((Pool(1, "x"), Pool(2, "device_health_metrics", applications=())))],
)
case("ceph.device-class", bad=[_tree(1, classes=False)], finds=["osd.0"], good=[_tree()])
case(
    "ceph.slow-osd",
    bad=[CephOsdPerf({0: 5.0, 1: 4.0, 2: 300.0}), _tree()],
    finds=["osd.2"],
    # All are slow: then it is no single disk.
    good=[CephOsdPerf({0: 200.0, 1: 250.0, 2: 300.0, 3: 90.0}), _tree()],
)
case(
    "ceph.versions",
    bad=[CephVersions({"16.2.15": 3, "17.2.7": 2})],
    finds=["versions"],
    good=[CephVersions({"16.2.15": 5})],
)
