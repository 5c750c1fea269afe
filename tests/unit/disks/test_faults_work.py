"""The failures (`faults.FAULTS`) of the work itself: what earlier attempts have left, lost connections, kills, nobody who comes.

After every one no command has changed, or named in order to change, another disk than the failed and the new one, nor any other
slot of a shared SSD.
"""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest

from blue_wizard.errors import Refused
from blue_wizard.jobs import client
from blue_wizard.reach.faults import CommandFailed, Fault
from tests.storage import build
from tests.storage.runner import bench
from tests.storage.site import State, disk, insert, part

from .test_whole import back, start
from .tried import ALL, Make, done, failed, nothing_touched, refused, waits

__all__ = ["bench"]


def test_a15(bench: Make) -> None:
    """In short; test_whole and tests/crash go through all commands."""
    for kind in ("kolla-ssd", "rdo-ssd", "ceph-volume-db"):
        b, plan = start(bench, kind, "replace")
        b.kill_at = 4
        run = b.run(plan)
        with contextlib.suppress(BaseException):
            run.forward()
        done(b, run)


@pytest.mark.parametrize("kind", ALL)
def test_a16(bench: Make, kind: str) -> None:
    b = failed(bench, kind)
    first = client.submit(b.plan(), approved=False)
    with nothing_touched(b), pytest.raises(Refused, match=first):
        client.submit(b.plan(), approved=False)


def test_a19(bench: Make) -> None:
    state = build.site("rdo-ssd")
    build.fail(state)
    for m in state["hosts"]["stor1"]["mounts"]:
        # No folder can be looked into: of two journals either may be its own.
        m[1] = m[1].replace("/var/lib/ceph/osd/ceph-4", "/mnt/elsewhere")
    # Their headers tell, where they can be read.
    journals = [p for d in state["disks"].values() for p in d["parts"] if p["label"] == "ceph journal"]
    assert [p["uuid"] for p in journals if f"by-partuuid/{p['uuid']}" in str(bench(state).plan().steps)] == ["j-3"]
    for p in journals:
        p["content"] = None
    refused(bench(state), "journal can't be told")
    for kind in ("kolla-ssd", "kolla"):
        state = build.site(kind)
        build.fail(state)
        for d in state["disks"].values():
            for p in d["parts"]:
                p["label"] = p["label"].replace("KOLLA_CEPH_DATA_3_J", "")
        refused(bench(state), "label of its journal")


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
