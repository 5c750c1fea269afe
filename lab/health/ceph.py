"""Ceph: flags, ratios, OSDs that are down, pools that can't keep what is given to them."""

from __future__ import annotations

from lab.faults import Change
from lab.faults.changes import stopped
from lab.health import planting
from lab.health.changes import CEPH, ceph, pool
from lab.health.ground import Ground

POOL = "bw-health"
_WELL = "ceph pg stat | grep -qv -E 'degraded|undersized|peering|inactive|unknown|stale|down'"


@planting("noout-left", check="ceph.flags", object="noout")
def _(_: Ground) -> list[Change]:
    return [ceph("ceph osd set noout", "ceph osd unset noout")]


@planting(
    "paused", check="ceph.flags", object="pauserd", severity="critical", note="nobody reads or writes for a moment"
)
def _(_: Ground) -> list[Change]:
    return [ceph("ceph osd set pause", "ceph osd unset pause")]


@planting(
    "osd-nearly-full",
    check="ceph.osd-nearfull",
    object="osd.0",
    note="by its ratio: to fill a disk takes minutes, and stops everybody at the end",
)
def _(g: Ground) -> list[Change]:
    old = g.sh("machine", CEPH + "ceph osd dump | awk '/^nearfull_ratio/ {print $2}'").strip()
    return [ceph("ceph osd set-nearfull-ratio 0.03", f"ceph osd set-nearfull-ratio {old}")]


@planting("ratio-raised", check="ceph.ratios", object="full")
def _(g: Ground) -> list[Change]:
    old = g.sh("machine", CEPH + "ceph osd dump | awk '/^full_ratio/ {print $2}'").strip()
    return [ceph("ceph osd set-full-ratio 0.98", f"ceph osd set-full-ratio {old}")]


@planting(
    "osd-down",
    check="ceph.osd-down",
    object="osd.2",
    note="it is marked down, and may not say that it lives",
)
def _(_: Ground) -> list[Change]:
    up = f"ceph osd dump | grep -q '^osd.2 up' && {_WELL}"
    return [
        ceph(
            "ceph osd set noup\nceph osd set noout\nceph osd down 2",
            "ceph osd unset noup\nceph osd unset noout",
            settled="ceph osd dump | grep -q '^osd.2 down'",
            healed=up,
        )
    ]


@planting("pool-of-one-copy", check="ceph.pool-copies", object=POOL, severity="critical")
def _(g: Ground) -> list[Change]:
    one = "--yes-i-really-mean-it"
    change = pool(POOL, "4", f"ceph osd pool set {POOL} size 1 {one}", f"ceph osd pool application enable {POOL} bw")
    return [_may_be_single(g), change]


def _may_be_single(g: Ground) -> Change:
    old = g.sh("machine", CEPH + "ceph config get mon mon_allow_pool_size_one").strip()
    assert old == "false", old
    return ceph(
        "ceph config set global mon_allow_pool_size_one true", "ceph config rm global mon_allow_pool_size_one || true"
    )


@planting("pool-without-application", check="ceph.pool-application", object=POOL, severity="info")
def _(_: Ground) -> list[Change]:
    return [pool(POOL, "4")]


@planting("pool-odd-groups", check="ceph.pg-num", object=POOL, severity="info")
def _(_: Ground) -> list[Change]:
    return [pool(POOL, "3 3", f"ceph osd pool application enable {POOL} bw")]


@planting("pool-over-osds", check="ceph.failure-domain", object=POOL)
def _(_: Ground) -> list[Change]:
    rule = ceph("ceph osd crush rule create-replicated bw-osds default osd", "ceph osd crush rule rm bw-osds || true")
    return [rule, pool(POOL, "4 4 replicated bw-osds", f"ceph osd pool application enable {POOL} bw")]


@planting("pool-quota", check="ceph.pool-full", object=POOL, severity="critical")
def _(_: Ground) -> list[Change]:
    fill = f"head -c 1000000 /dev/urandom > /run/bw-health.obj\nrados -p {POOL} put x /run/bw-health.obj\nrm /run/bw-health.obj"
    change = pool(
        POOL,
        "4",
        f"ceph osd pool application enable {POOL} bw",
        fill,
        f"ceph osd pool set-quota {POOL} max_bytes 1000000",
    )
    counted = f'ceph df detail -f json | grep -o \'"name":"{POOL}".*\' | grep -q \'"stored":1000000\''
    return [Change(change.place, change.do, change.undo, CEPH + counted)]


@planting("crash", check="ceph.crashes", object="osd.9")
def _(g: Ground) -> list[Change]:
    made = f"2026-01-01T00:00:00.000000Z_{g.id}"
    told = (
        f'{{"crash_id": "{made}", "timestamp": "2026-01-01T00:00:00.000000Z", "entity_name": "osd.9", '
        '"process_name": "ceph-osd", "ceph_version": "16", "utsname_hostname": "sto9", "backtrace": []}'
    )
    return [ceph(f"echo '{told}' | ceph crash post -i -", f"ceph crash rm {made} || true")]


@planting("class-lost", check="ceph.device-class", object="osd.0", severity="info")
def _(g: Ground) -> list[Change]:
    kind = g.sh("machine", CEPH + "ceph osd crush get-device-class osd.0").strip()
    return [ceph("ceph osd crush rm-device-class osd.0", f"ceph osd crush set-device-class {kind} osd.0 || true")]


@planting(
    "osd-hung",
    check="ceph.osd-down",
    object="osd.2",
    note="its process is stopped where it stands; nobody waits for its peers",
)
def _(_: Ground) -> list[Change]:
    mark = ceph("ceph osd set noout\nceph osd down 2", "ceph osd unset noout",
                settled="ceph osd dump | grep -q '^osd.2 down'",
                healed=f"ceph osd dump | grep -q '^osd.2 up' && {_WELL}")  # fmt: skip
    return [stopped("cmp1", "ceph-osd"), mark]
