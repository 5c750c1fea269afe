"""The failures (`faults.FAULTS`) of the cluster around the OSD: others that die, monitors and managers, PGs, flags, ids, health.

After every one no command has changed, or named in order to change, another disk than the failed and the new one, nor any other
slot of a shared SSD.
"""

from __future__ import annotations

from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from tests.storage import build
from tests.storage.build import FAILED
from tests.storage.runner import bench
from tests.storage.site import State, boot, bump

from .tried import ALL, OLD_STYLE, Make, done, failed, refused, waits

__all__ = ["bench"]


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
