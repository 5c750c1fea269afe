"""Several OSDs in one job: a journal or DB disk with all that are on it, and a queue of failed disks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from blue_wizard.errors import Refused
from blue_wizard.jobs import client
from tests.storage import build
from tests.storage.build import FAILED, NEIGHBOUR, SSD
from tests.storage.cluster import target
from tests.storage.runner import Bench, bench, leftovers, whole
from tests.storage.site import State, disk, insert, pull

from .tried import nothing_touched

__all__ = ["bench"]
Make = Callable[[State], Bench]
KINDS = ["kolla-ssd", "rdo-ssd", "ceph-volume-db"]
FRESH = "SN-FRESH"


def dead_ssd(kind: str) -> State:
    state = build.site(kind)
    build.fail(state, SSD)
    for osd in ("3", "4"):
        state["cluster"]["osds"][osd]["up"] = False
        if f"ceph-osd@{osd}" in state["hosts"]["stor1"]["units"]:
            state["hosts"]["stor1"]["units"][f"ceph-osd@{osd}"] = "failed"
    for box in state["hosts"]["stor1"]["boxes"].values():
        box["running"] = False
    return state


def change_ssd(state: State) -> None:
    if SSD in state["hosts"]["stor1"]["slots"].values():
        pull(state, "stor1", SSD)
        insert(state, "stor1", "7", disk(FRESH, rotates=False))


def both_back(b: Bench) -> None:
    now, before = b.site.state(), b.first
    for osd in ("3", "4"):
        assert now["cluster"]["osds"][osd]["up"]
        assert now["cluster"]["osds"][osd]["in"]
        assert now["cluster"]["osds"][osd]["crush"] == before["cluster"]["osds"][osd]["crush"]
    assert set(now["cluster"]["osds"]) == set(before["cluster"]["osds"])
    assert now["cluster"]["flags"] == []
    assert now["cluster"]["worst"]["live"] >= build.MIN_SIZE
    assert all(len(p["holders"]) == build.SIZE for p in now["cluster"]["pgs"].values())
    assert leftovers(before, now) == []


@pytest.mark.parametrize("way", ["failed", "drain"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_of_journals(bench: Make, kind: str, way: str) -> None:
    b = bench(dead_ssd(kind) if way == "failed" else build.site(kind))
    b.allowed = (NEIGHBOUR, SSD, FRESH)
    plan = b.plan_shared(SSD, drain=way == "drain")
    assert [c.params["osd"] for c in plan.children] == [3, 4]
    swaps = [s for part in plan.walk() for s in part.steps if s.verb == "osd.swap"]
    assert len(swaps) == 1, "one swap for all of them"
    whole(b, plan, change_ssd)
    both_back(b)
    old, new = b.first["disks"][SSD], b.site.state()["disks"][FRESH]
    slots = [{k: p[k] for k in ("n", "uuid", "kind", "label")} for p in old["parts"]]
    assert [{k: p[k] for k in ("n", "uuid", "kind", "label")} for p in new["parts"]] == slots
    assert [v["name"] for v in (old["pv"] or {"lvs": []})["lvs"]] == [
        v["name"] for v in (new["pv"] or {"lvs": []})["lvs"]
    ]


@pytest.mark.parametrize("at", [2, 5, 9, 14, 20, 30])
@pytest.mark.parametrize("kind", KINDS)
def test_killed(bench: Make, kind: str, at: int) -> None:
    b = bench(dead_ssd(kind))
    b.allowed = (NEIGHBOUR, SSD, FRESH)
    b.kill_at = at
    whole(b, b.plan_shared(SSD), change_ssd)
    both_back(b)


def test_what_else_is_on_it(bench: Make) -> None:
    state = dead_ssd("kolla-ssd")
    letter = state["hosts"]["stor1"]["letters"][SSD]
    state["disks"][SSD]["parts"].append({**state["disks"][SSD]["parts"][0], "n": 9, "uuid": "root", "label": "root"})
    state["hosts"]["stor1"]["mounts"].append([f"/dev/sd{letter}9", "/srv", "xfs"])
    b = bench(state)
    with nothing_touched(b), pytest.raises(Refused, match="/srv"):
        b.plan_shared(SSD)


def test_a_journal_of_nobody(bench: Make) -> None:
    """It may be that of an OSD whose own disk can't be read: swapping the SSD would kill it."""
    state = dead_ssd("rdo-ssd")
    state["disks"][SSD]["parts"].append({**state["disks"][SSD]["parts"][0], "n": 9, "uuid": "j-9", "content": None})
    b = bench(state)
    with nothing_touched(b), pytest.raises(Refused, match="ceph journal"):
        b.plan_shared(SSD)


def test_two_operators(bench: Make) -> None:
    b = bench(dead_ssd("kolla-ssd"))
    first = client.submit(b.plan_shared(SSD), approved=False)
    for again in (lambda: b.plan_shared(SSD), lambda: b.plan(3, 4)):
        with nothing_touched(b), pytest.raises(Refused, match=first):
            client.submit(again(), approved=False)


def test_a_disk_that_is_nobodys(bench: Make) -> None:
    b = bench(dead_ssd("kolla-ssd"))
    for key, words in (("SN-5", "No OSD has its journal"), ("SN-NOWHERE", "0 disks")):
        with nothing_touched(b), pytest.raises(Refused, match=words):
            b.plan_shared(key)


@pytest.mark.parametrize("kind", ["kolla", "kolla-ssd", "kolla-bluestore", "rdo-ssd", "ceph-volume", "ceph-volume-db"])
def test_a_queue(bench: Make, kind: str) -> None:
    """Two disks of one host fail at once: both are emptied first, then they are replaced one after the other."""
    state = build.site(kind)
    build.fail(state)
    build.fail(state, NEIGHBOUR)
    for box in state["hosts"]["stor1"]["boxes"].values():
        box["running"] = False
    b = bench(state)
    b.allowed = (NEIGHBOUR, SSD, "SN-NEW4")
    plan = b.plan(4, 3)
    assert {s.id for s in plan.steps[:2]} == {"out-3", "out-4"}
    assert {s.id for s in plan.steps[2:]} == {"safe-3", "safe-4"}
    assert [c.params["osd"] for c in plan.children] == [3, 4]
    (claims,) = {c.claims[0].domain for c in plan.children}
    assert claims.startswith("ceph:"), "one at a time in the whole cluster"

    def swaps(now: State) -> None:
        done = now["cluster"]["osds"].get("3", {}).get("up")
        serial, slot, new = (NEIGHBOUR, "2", "SN-NEW4") if done else (FAILED, "1", "SN-NEW")
        pull(now, "stor1", serial)
        insert(now, "stor1", slot, disk(new))

    whole(b, plan, swaps)
    both_back(b)


def _silence(state: State) -> None:
    for p in state["disks"][SSD]["parts"]:
        p["content"] = None


def test_a_queue_of_ceph_disk(bench: Make) -> None:
    """Of two dead disks nobody can tell which journal was whose, where the journals do not tell it themselves."""
    state = build.site("rdo-ssd")
    build.fail(state)
    build.fail(state, NEIGHBOUR)
    _silence(state)
    b = bench(state)
    with nothing_touched(b), pytest.raises(Refused, match="journal can't be told"):
        b.plan(3, 4)


def test_a_queue_that_shares_pgs(bench: Make) -> None:
    """Two disks of two hosts: the PGs that are on both have too few copies, and nothing is removed before they have again."""
    state = build.site("kolla")
    shared = [pg for pg in state["cluster"]["pgs"] if {3, 5} <= set(target(state, pg))]
    assert shared
    build.fail(state)
    build.fail(state, "SN-5")
    b = bench(state)
    with nothing_touched(b), pytest.raises(Refused, match=shared[0]):
        b.plan(3, 5)


def test_a_queue_over_hosts(bench: Make) -> None:
    """Once Ceph has copied what two hosts lost, their disks go host by host, each one whole before the next."""
    state = build.site("ceph-volume")
    for osd, serial in (("5", "SN-5"), ("3", FAILED)):
        build.fail(state, serial)
        state["cluster"]["osds"][osd]["in"] = False
        for pg in state["cluster"]["pgs"]:
            state["cluster"]["pgs"][pg]["holders"] = [
                state["cluster"]["osds"][str(n)]["uuid"] for n in target(state, pg)
            ]
    b = bench(state)
    b.settle()
    b.again()
    b.allowed = ("SN-5", "SN-NEW5")
    plan = b.plan(5, 3)
    assert plan.steps == (), "nothing is left to be emptied"
    assert [c.params["host"] for c in plan.children] == ["stor1", "stor5"]
