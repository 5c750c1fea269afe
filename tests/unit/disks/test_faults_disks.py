"""The failures (`faults.FAULTS`) at the disks themselves: the wrong one, another letter, one that hangs, is slow, or was used.

After every one no command has changed, or named in order to change, another disk than the failed and the new one, nor any other
slot of a shared SSD.
"""

from __future__ import annotations

import copy

import pytest

from blue_wizard.disks import survey
from tests.storage import build
from tests.storage.build import FAILED, NEIGHBOUR, SLOT, SSD
from tests.storage.runner import NEW, bench, change_disk, whole
from tests.storage.site import State, attach, boot, digests, disk, insert, part, pull

from .tried import ALL, OLD_STYLE, Make, done, failed, refused, waits

__all__ = ["bench"]


@pytest.mark.parametrize("kind", ALL)
def test_a1(bench: Make, kind: str) -> None:
    b = failed(bench, kind)
    run = b.run()

    def wrong(state: State) -> None:
        pull(state, "stor1", NEIGHBOUR)

    run.on["swap"] = wrong
    waits(run, f"WRONG DISK PULLED: put {NEIGHBOUR}")
    with b.site.change() as state:
        insert(state, "stor1", "2", disk(NEIGHBOUR))
        for m in state["hosts"]["stor1"]["mounts"]:
            # It came back as another letter while its mount was held; its owner mounts it again.
            if not m[0].startswith("/dev/vd") and m[0] != "tmpfs" and m[1] in str(b.first["hosts"]["stor1"]["mounts"]):
                m[0] = f"/dev/sd{state['hosts']['stor1']['letters'][NEIGHBOUR]}1"
        boot(state, "stor1", 4)
        change_disk(state)
    assert run.forward() == "done", run.error
    assert b.wrong() == []


@pytest.mark.parametrize("kind", ALL)
def test_a2(bench: Make, kind: str) -> None:
    state = build.site(kind)
    build.fail(state)
    letters = state["hosts"]["stor1"]["letters"]
    letters[FAILED], letters[NEIGHBOUR] = letters[NEIGHBOUR], letters[FAILED]
    for m in state["hosts"]["stor1"]["mounts"]:
        swapped = {"/dev/sda1": "/dev/sdb1", "/dev/sdb1": "/dev/sda1"}
        m[0] = swapped.get(m[0], m[0])
    b = bench(state)
    if build.KINDS[kind][1] in {"jewel", "luminous"}:
        refused(b, "disagree")
    else:
        done(b, b.run())


def reshuffle(state: State) -> None:
    """The host names its disks the other way round, as after a reboot."""
    h = state["hosts"]["stor1"]
    old = {f"/dev/sd{letter}1": serial for serial, letter in h["letters"].items()}
    h["letters"] = dict(zip(h["letters"], reversed(h["letters"].values()), strict=True))
    for m in h["mounts"]:
        if m[0] in old:
            m[0] = f"/dev/sd{h['letters'][old[m[0]]]}1"
    for d in h["dm"]:
        d["letter"] = h["letters"].get(d["serial"], d["letter"])


@pytest.mark.parametrize("step", ["detach", "label", "journal", "bootstrap", "prepare", "create", "zap"])
@pytest.mark.parametrize("kind", ALL)
def test_a2_midway(bench: Make, kind: str, step: str) -> None:
    b = failed(bench, kind)
    plan = b.plan()
    run = b.run(plan)
    shuffled = []
    run.on[step] = lambda state: (reshuffle(state), shuffled.append(True))[0]
    done(b, run)
    assert bool(shuffled) == (step in [s.id for s in plan.steps])


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("what", ["raw", "parts", "pv"])
def test_a3(bench: Make, kind: str, what: str) -> None:
    full = disk(NEW, raw="ext4" if what == "raw" else "")
    if what == "parts":
        full |= {
            "table": "gpt",
            "parts": [part(1, "ceph data", "x-1", "", {"osd": 9, "uuid": "of-another-cluster"}, "fs-9")],
        }
    if what == "pv":
        full["pv"] = {"vg": "other", "lvs": [{"name": "lv", "tags": {}, "content": None}]}
    b = failed(bench, kind)
    run = b.run(answers={"swap": "done"})
    run.on["swap"] = lambda state: change_disk(state, copy.deepcopy(full))
    waits(run, "not blank")
    run.answers["swap"] = "wipe SN-OTHER"
    waits(run, "not blank")
    assert digests(b.site.state())[NEW] == digests({"disks": {NEW: full}})[NEW], "not a byte of it was touched"
    run.answers["swap"] = f"wipe {NEW}"
    done(b, run)


@pytest.mark.parametrize("kind", ALL)
def test_a4(bench: Make, kind: str) -> None:
    b = failed(bench, kind)
    run = b.run()
    run.on["swap"] = lambda state: change_disk(state, disk("SN-SMALL", size=9))
    waits(run, "too small")
    for unfit, words in ((disk("SN-SSD", rotates=False), "an SSD"), (disk("SN-4KN", sector=4096), "sectors of 4096")):
        with b.site.change() as state:
            pull(state, "stor1", next(s for n, s in state["hosts"]["stor1"]["slots"].items() if n == SLOT))
            insert(state, "stor1", SLOT, unfit)
        waits(run, words)
    with b.site.change() as state:
        pull(state, "stor1", "SN-4KN")
        insert(state, "stor1", SLOT, disk(NEW))
    done(b, run)
    assert not {"SN-SMALL", "SN-SSD", "SN-4KN"} & {
        s for c in b.site.calls() if c["changes"] for s in [*c["named"], *c["changed"]]
    }


@pytest.mark.parametrize("kind", ALL)
def test_a5(bench: Make, kind: str) -> None:
    b = failed(bench, kind)
    run = b.run()

    def again(state: State) -> None:
        pull(state, "stor1", FAILED)
        insert(state, "stor1", SLOT, state["disks"][FAILED])

    run.on["swap"] = again
    waits(run, f"the failed disk {FAILED} is still in")
    with b.site.change() as state:
        change_disk(state)
    done(b, run)


@pytest.mark.parametrize("kind", OLD_STYLE)
def test_a17(bench: Make, kind: str) -> None:
    state = build.site(kind)
    build.fail(state, how="hung")
    b = bench(state)
    done(b, b.run())
    said = b.site.changes()
    assert any("umount -l" in s for s in said)


@pytest.mark.parametrize("kind", ALL)
def test_a18(bench: Make, kind: str) -> None:
    b = failed(bench, kind)
    run = b.run()

    def reboot(state: State) -> None:
        pull(state, "stor1", FAILED)
        h = state["hosts"]["stor1"]
        h["letters"] = {}
        attach(state, "stor1")
        present = {p["fs_uuid"] for s in h["letters"] for p in state["disks"][s]["parts"]}
        wanted = {x.split()[0][5:] for x in h["fstab"].splitlines() if x.startswith("UUID=")}
        assert wanted <= present, "the host would stop in emergency mode"
        if h["dm"]:
            h["dm"] = [d for d in h["dm"] if d["serial"] in h["letters"]]
        for m in h["mounts"]:
            if m[0].startswith("/dev/sd"):
                m[0] = f"/dev/sd{h['letters'][NEIGHBOUR]}1"
        h["cut"] = True

    run.on["swap"] = reboot
    waits(run, "can't be reached")
    with b.site.change() as state:
        state["hosts"]["stor1"]["cut"] = False
        change_disk(state)
    done(b, run)


@pytest.mark.parametrize("kind", ["kolla-ssd", "rdo-ssd", "ceph-volume-db"])
def test_a20(bench: Make, kind: str) -> None:
    state = build.site(kind)
    build.fail(state, SSD)
    for osd in ("3", "4"):
        state["cluster"]["osds"][osd]["up"] = False
    b = bench(state)
    refused(b, "osd.4")
    b.allowed = (NEIGHBOUR, SSD, "SN-FRESH")

    def swap(now: State) -> None:
        pull(now, "stor1", SSD)
        insert(now, "stor1", "7", disk("SN-FRESH", rotates=False))

    whole(b, b.plan_shared(SSD), swap)
    osds = b.site.state()["cluster"]["osds"]
    for osd in ("3", "4"):
        assert osds[osd]["up"]
        assert osds[osd]["crush"] == b.first["cluster"]["osds"][osd]["crush"]


@pytest.mark.parametrize("kind", ["kolla-ssd", "kolla", "rdo-ssd", "rdo", "ceph-volume", "ceph-volume-db"])
def test_a27(bench: Make, kind: str) -> None:
    """Pulled by surprise: its mount and its volume are zombies, and the new disk gets another letter."""
    state = build.site(kind)
    pull(state, "stor1", FAILED)
    if "ceph-osd@3" in state["hosts"]["stor1"]["units"]:
        state["hosts"]["stor1"]["units"]["ceph-osd@3"] = "failed"
    for box in state["hosts"]["stor1"]["boxes"].values():
        box["running"] = box["running"] and "OSD_ID=3" not in box["env"]
    b = bench(state)
    plan = b.plan()
    run = b.run(plan)
    done(b, run)


@pytest.mark.parametrize("kind", ALL)
def test_a28(bench: Make, kind: str) -> None:
    state = build.site(kind)
    state["cluster"]["slow"] = [3]
    kernel = f"sd{state['hosts']['stor1']['letters'][FAILED]}"
    state["hosts"]["stor1"]["kernel"].append(f"[9.0] blk_update_request: I/O error, dev {kernel}, sector 2048")
    b = bench(state)
    cluster = survey.read_cluster("lab")
    (row,) = [r for r in survey.rows(cluster, survey.look_at(cluster)) if r.reasons]
    assert row.osd.id == 3
    assert "slow requests" in row.reasons
    assert any("I/O error" in r for r in row.reasons)
    refused(b, "--drain")
    run = b.run(b.plan(drain=True))
    run.on["refill"] = lambda now: now["cluster"].update(slow=[])
    done(b, run)
