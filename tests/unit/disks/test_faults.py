"""The failures a1 to a32 (`faults.FAULTS`), each on a played site through the planner and the actions, with what has to come of it.

After every one no command has changed, or named in order to change, another disk than the failed and the new one, nor any other
slot of a shared SSD.
"""

from __future__ import annotations

import contextlib
import copy
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.disks import survey
from blue_wizard.errors import BlueWizardError, Refused, StepFailed
from blue_wizard.jobs import client
from blue_wizard.reach.faults import CommandFailed, Fault
from tests.storage import build
from tests.storage.build import FAILED, NEIGHBOUR, SLOT, SSD
from tests.storage.runner import NEW, Bench, Run, Waits, bench, change_disk, whole
from tests.storage.site import State, attach, boot, bump, digests, disk, insert, part, pull

from .faults import FAULTS
from .test_whole import back, same, start

__all__ = ["bench"]
Make = Callable[[State], Bench]
OLD_STYLE = ("kolla-ssd", "kolla", "kolla-bluestore", "rdo-ssd", "rdo")
ALL = tuple(build.KINDS)
DOCS = Path(__file__).parents[3] / "docs" / "reference"


@contextlib.contextmanager
def nothing_touched(b: Bench) -> Iterator[None]:
    """What is inside is refused, and has changed nothing."""
    yield
    assert b.site.changes() == []
    now = b.site.state()
    assert digests(now) == digests(b.first)
    assert now["cluster"]["flags"] == b.first["cluster"]["flags"]


def refused(b: Bench, words: str, error: type[BlueWizardError] = Refused, **more: Any) -> None:
    with nothing_touched(b), pytest.raises(error) as e:
        b.plan(**more)
    assert words in e.value.message, e.value.message


def waits(run: Run, words: str) -> None:
    with pytest.raises(Waits) as e:
        run.forward()
    assert words in str(e.value), str(e.value)


def failed(make: Make, kind: str, **cluster: Any) -> Bench:
    """A site of that kind whose OSD 3 is dead."""
    state = build.site(kind)
    build.fail(state)
    state["cluster"] |= cluster
    return make(state)


def done(b: Bench, run: Run) -> None:
    assert run.forward() == "done", run.error
    same(b)


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


@pytest.mark.parametrize("kind", ALL)
def test_a6_before(bench: Make, kind: str) -> None:
    state = build.site(kind)
    build.fail(state)
    build.fail(state, "SN-5")
    refused(bench(state), "osd.5")


@pytest.mark.parametrize("kind", OLD_STYLE)
def test_a6_midway(bench: Make, kind: str) -> None:
    """The cluster is held still already: the next step that destroys is not taken, and recovery is let go at once."""
    b = failed(bench, kind)
    run = b.run()
    run.on["key"] = lambda state: build.fail(state, "SN-5")
    assert run.forward() == "failed"
    assert "not safe" in run.error
    now = b.site.state()
    assert now["cluster"]["flags"] == []
    assert now["cluster"]["auth"]["osd.3"] == build.key(3)
    assert now["cluster"]["osds"]["3"]["in"]
    assert b.wrong("SN-5") == []


@pytest.mark.parametrize("kind", ["ceph-volume", "ceph-volume-db"])
def test_a6_midway_for_volumes(bench: Make, kind: str) -> None:
    b = failed(bench, kind)
    run = b.run()
    run.on["destroy"] = lambda state: build.fail(state, "SN-5")
    assert run.forward() == "failed"
    assert "not safe" in run.error
    assert b.site.state()["cluster"]["osds"]["3"]["uuid"] == build.uuid(3)


@pytest.mark.parametrize("kind", OLD_STYLE)
def test_a7(bench: Make, kind: str) -> None:
    b = failed(bench, kind)
    run = b.run()

    def revive(state: State) -> None:
        state["disks"][FAILED]["dead"] = False
        assert boot(state, "stor1", 3)

    run.on["key"] = revive
    assert run.forward() == "failed"
    assert "must be down" in run.error
    now = b.site.state()["cluster"]
    assert now["osds"]["3"]["uuid"] == build.uuid(3)
    assert now["osds"]["3"]["crush"] == b.first["cluster"]["osds"]["3"]["crush"]
    assert now["auth"] == b.first["cluster"]["auth"]
    assert now["flags"] == []
    assert b.wrong() == []


@pytest.mark.parametrize("kind", [k for k in ALL if k != "cephadm"])
def test_a8(bench: Make, kind: str) -> None:
    b = failed(bench, kind)
    run = b.run()
    looks = []

    def flap(entry: dict[str, Any]) -> None:
        if "pg dump pgs_brief" in entry["said"] and run.begun and run.begun[-1] == "safe" and len(looks) < 9:
            looks.append(entry)
            with b.site.change() as state:
                state["cluster"]["osds"]["5"]["up"] = len(looks) % 3 != 1
                bump(state)

    b.hooks.append(flap)
    assert run.forward() == "done", run.error
    assert len(looks) == 9, "it went on before the flapping had ended"
    assert b.wrong() == []


@pytest.mark.parametrize("kind", ALL)
def test_a9(bench: Make, kind: str) -> None:
    refused(failed(bench, kind, quorum=2), "2 of 3 monitors")


@pytest.mark.parametrize("kind", [k for k in ALL if k != "cephadm"])
def test_a9_midway(bench: Make, kind: str) -> None:
    b = failed(bench, kind)
    run = b.run()
    run.on["safe"] = lambda state: state["cluster"].update(silent=True)
    waits(run, "timed out")
    with b.site.change() as state:
        state["cluster"]["silent"] = False
        state["cluster"]["quorum"] = 2
    done(b, run)


@pytest.mark.parametrize("kind", ALL)
def test_a10(bench: Make, kind: str) -> None:
    refused(failed(bench, kind, mute=["pg dump"]), "pg dump", StepFailed)


@pytest.mark.parametrize("kind", [k for k in ALL if k != "cephadm"])
def test_a10_midway(bench: Make, kind: str) -> None:
    b = failed(bench, kind)
    run = b.run()
    run.on["refill"] = lambda state: state["cluster"].update(mute=["pg dump"])
    run.sampled = False
    waits(run, "pg dump")
    with b.site.change() as state:
        state["cluster"]["mute"] = []
    done(b, run)


@pytest.mark.parametrize("state_", ["unknown", "stale+active+clean", "down", "incomplete"])
@pytest.mark.parametrize("kind", ALL)
def test_a11(bench: Make, kind: str, state_: str) -> None:
    pg = {"pgid": "1.ff", "state": state_, "up": [0, 1, 2], "acting": [0, 1, 2], "up_primary": 0}
    refused(failed(bench, kind, more_pgs=[pg]), "1.ff")


@pytest.mark.parametrize("kind", ALL)
def test_a12(bench: Make, kind: str) -> None:
    state = build.site(kind)
    build.fail(state)
    for row in state["cluster"]["osds"].values():
        row["used"] = 8_600_000
    refused(bench(state), "would be the fullest")


@pytest.mark.parametrize("kind", ALL)
def test_a13(bench: Make, kind: str) -> None:
    pool = {"pool": 2, "pool_name": "scratch", "size": 1, "min_size": 1, "crush_rule": 0, "crush_ruleset": 0}
    pg = {"pgid": "2.0", "state": "stale+active+clean", "up": [3], "acting": [3], "up_primary": 3}
    refused(failed(bench, kind, more_pools=[pool], more_pgs=[pg]), "scratch")


@pytest.mark.parametrize("kind", ALL)
def test_a14(bench: Make, kind: str) -> None:
    b = failed(bench, kind, flags=["nodeep-scrub", "noout", "sortbitwise"])
    done(b, b.run())
    for flag in ("norecover", "nobackfill", "norebalance"):
        refused(failed(bench, kind, flags=[flag]), flag)


@pytest.mark.parametrize("kind", ALL)
def test_a16(bench: Make, kind: str) -> None:
    b = failed(bench, kind)
    first = client.submit(b.plan(), approved=False)
    with nothing_touched(b), pytest.raises(Refused, match=first):
        client.submit(b.plan(), approved=False)


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


def test_a19(bench: Make) -> None:
    state = build.site("rdo-ssd")
    build.fail(state)
    for m in state["hosts"]["stor1"]["mounts"]:
        # No folder can be looked into: of two journals either may be its own.
        m[1] = m[1].replace("/var/lib/ceph/osd/ceph-4", "/mnt/elsewhere")
    refused(bench(state), "journal can't be told")
    for kind in ("kolla-ssd", "kolla"):
        state = build.site(kind)
        build.fail(state)
        for d in state["disks"].values():
            for p in d["parts"]:
                p["label"] = p["label"].replace("KOLLA_CEPH_DATA_3_J", "")
        refused(bench(state), "label of its journal")


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


@pytest.mark.parametrize("kind", ["kolla-ssd", "kolla", "kolla-bluestore"])
def test_a21(bench: Make, kind: str) -> None:
    state = build.site(kind)
    build.fail(state)
    stray = disk("SN-STRAY") | {"table": "gpt", "parts": [part(1, "KOLLA_CEPH_OSD_BOOTSTRAP_X", "x-1", "")]}
    elsewhere = copy.deepcopy(state)
    insert(elsewhere, "stor4", "5", stray)
    refused(bench(elsewhere), "KOLLA_CEPH_OSD_BOOTSTRAP_X")
    b = bench(state)
    run = b.run()

    def comes(now: State) -> None:
        insert(now, "stor4", "5", copy.deepcopy(stray))

    run.on["label"] = comes
    waits(run, "KOLLA_CEPH_OSD_BOOTSTRAP_X")
    with b.site.change() as now:
        now["disks"]["SN-STRAY"]["parts"][0]["label"] = "data"
    assert run.forward() == "done", run.error
    assert b.wrong() == []


@pytest.mark.parametrize("kind", ["kolla-ssd", "kolla", "kolla-bluestore"])
def test_a22(bench: Make, kind: str) -> None:
    state = build.site(kind)
    build.fail(state)
    box = copy.deepcopy(state["hosts"]["stor1"]["boxes"]["ceph_osd_4"]) | {"running": False}
    state["hosts"]["stor1"]["boxes"]["bootstrap_osd_0"] = box
    refused(bench(state), "bootstrap_osd_0")


@pytest.mark.parametrize("kind", ALL)
def test_a23(bench: Make, kind: str) -> None:
    state = build.site(kind)
    lost = state["cluster"]["osds"].pop("1")
    for pg in state["cluster"]["pgs"].values():
        pg["holders"] = [u for u in pg["holders"] if u != lost["uuid"]]
    b = bench(state)
    b.settle()
    with b.site.change() as now:
        build.fail(now)
    b.again()
    if kind in OLD_STYLE or kind == "kolla-podman":
        refused(b, "id 1 is free")
    else:
        assert b.run().forward() == "done"


@pytest.mark.parametrize("kind", OLD_STYLE)
def test_a23_midway(bench: Make, kind: str) -> None:
    b = failed(bench, kind)
    run = b.run()
    making = "bootstrap" if kind.startswith("kolla") else "prepare"
    taken: dict[str, Any] = {}
    run.on[making] = lambda state: taken.update(row=state["cluster"]["osds"].pop("0"))
    run.sampled = False
    waits(run, "would get id 0, not 3")
    with b.site.change() as state:
        state["cluster"]["osds"]["0"] = taken["row"]
    assert run.forward() == "done", run.error
    assert b.wrong() == []


@pytest.mark.parametrize("kind", ["kolla-ssd", "kolla", "kolla-bluestore", "rdo-ssd", "rdo"])
def test_a24(bench: Make, kind: str) -> None:
    """ceph-disk's OSDs always come back with the weight of their size below the name of the host."""
    b = failed(bench, kind, wrong_place=[1.0, "stor1"])
    run = b.run()
    done(b, run)
    assert any("osd crush set osd.3 1.81898" in s for s in b.site.changes())


@pytest.mark.parametrize(
    ("kind", "during"),
    [
        ("kolla-ssd", "sgdisk --zap-all"),
        ("kolla-ssd", "parted"),
        ("kolla-ssd", "sgdisk --change-name"),
        ("kolla", "parted"),
        ("rdo-ssd", "ceph-disk zap"),
        ("rdo-ssd", "ceph-disk prepare"),
        ("ceph-volume-db", "lvm zap"),
        ("ceph-volume-db", "lvm create"),
    ],
)
def test_a25(bench: Make, kind: str, during: str) -> None:
    b = failed(bench, kind)
    lost = []

    def break_(entry: dict[str, Any]) -> None:
        if during in entry["said"] and not lost:
            lost.append(entry)
            raise CommandFailed(Fault.LOST, "The connection to stor1 broke")

    b.hooks.append(break_)
    done(b, b.run())
    assert lost


@pytest.mark.parametrize("kind", ["kolla-ssd", "kolla", "kolla-bluestore"])
def test_a26(bench: Make, kind: str) -> None:
    b = failed(bench, kind)
    run = b.run()
    run.on["start"] = lambda state: state["hosts"]["stor1"].update(broken=["docker run -d"])
    assert run.forward() == "stuck"
    assert any("docker run -d --name ceph_osd_3" in x for x in run.left)
    assert b.site.state()["cluster"]["flags"] == []
    assert b.wrong() == []


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


@pytest.mark.parametrize("health", ["HEALTH_WARN", "HEALTH_ERR"])
@pytest.mark.parametrize("kind", ALL)
def test_a29(bench: Make, kind: str, health: str) -> None:
    b = failed(bench, kind, health=health, checks=["RECENT_CRASH", "POOL_NO_REDUNDANCY"])
    done(b, b.run())


@pytest.mark.parametrize("kind", ALL)
def test_a30(bench: Make, kind: str) -> None:
    b = failed(bench, kind)
    assert b.plan().steps
    refused(failed(bench, kind, odd_dump={"osds": 3}), "form that this version does not know", StepFailed)


@pytest.mark.parametrize("kind", OLD_STYLE)
def test_a31(bench: Make, kind: str) -> None:
    b = failed(bench, kind)
    run = b.run()
    run.on["unflag"] = lambda state: state["cluster"].update(refuses=["osd unset noout"])
    assert run.forward() == "stuck"
    assert any("ceph osd unset noout" in x for x in run.left)
    now = b.site.state()["cluster"]
    assert now["osds"]["3"]["up"]
    assert now["osds"]["3"]["in"]
    assert "norecover" not in now["flags"]
    assert "nobackfill" not in now["flags"]
    assert b.wrong() == []


@pytest.mark.parametrize("kind", ALL)
def test_a32(bench: Make, kind: str) -> None:
    b = failed(bench, kind)
    plan = b.plan()
    gate = next(s for s in plan.steps if s.id == "swap").gate
    assert gate is not None
    assert gate.deadline_s is None
    assert gate.remind_s
    run = b.run(plan)
    run.on.pop("swap")
    waits(run, "still in")
    if kind == "cephadm":
        assert run.back() == "stuck", "the orchestrator has destroyed it"
        assert b.wrong() == []
        return
    assert run.back() == "rolled-back", run.left
    back(b)


def test_a15(bench: Make) -> None:
    """In short; test_whole and tests/crash go through all commands."""
    for kind in ("kolla-ssd", "rdo-ssd", "ceph-volume-db"):
        b, plan = start(bench, kind, "replace")
        b.kill_at = 4
        run = b.run(plan)
        with contextlib.suppress(BaseException):
            run.forward()
        done(b, run)


def test_every_row_has_a_test() -> None:
    rows = {name.split("_")[1] for name in globals() if re.match(r"test_a\d+(_|$)", name)}
    assert rows == set(FAULTS)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_table_in_the_docs(language: str) -> None:
    """The page says what is asserted here. BW_WRITE=1 writes the table anew."""
    file = DOCS / ("osd-faults.md" if language == "en" else "osd-faults.zh.md")
    at = 0 if language == "en" else 1
    lines = [f"| {key} | {row[at]} | {row[2 + at]} |" for key, row in FAULTS.items()]
    text = file.read_text()
    head, table, tail = re.split(r"(?<=\|---\|---\|---\|\n)((?:\| a\d.*\n)*)", text, maxsplit=1)
    wanted = "".join(f"{line}\n" for line in lines)
    if os.environ.get("BW_WRITE"):
        file.write_text(head + wanted + tail)
    else:
        assert table == wanted
