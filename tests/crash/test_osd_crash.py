"""kill -9 of a real worker in the middle of and after steps of whole replacements and rebuilds of OSDs.

The storage site is played (`tests.storage`); its state is in a file and outlives the worker. Every command of every way of
deployment is tried in tests/unit/disks/test_whole.py; here it is the engine, the ledger and a signal that nobody can catch.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blue_wizard import config
from blue_wizard.jobs import client, worker
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Plan, State
from tests.drawn import seed
from tests.storage import build, seam
from tests.storage.runner import Bench, bench, change_disk
from tests.storage.site import State as Played
from tests.storage.site import disk, insert, pull
from tests.unit.disks.test_several import both_back, change_ssd, dead_ssd
from tests.unit.disks.test_whole import back, returnable, same

__all__ = ["bench"]
ROOT = Path(__file__).parents[2]
# The steps of every way of deployment, by their phases; drawn anew each day, all of them with --whole.
KINDS = ("kolla-ssd", "rdo-ssd", "ceph-volume-db", "cephadm")
WAYS = ("replace", "rebuild")


def _cases() -> list[tuple[str, str, str, str, str]]:
    found = []
    for kind in KINDS:
        for way in WAYS:
            for step in STEPS[build.KINDS[kind][0]]:
                # Before a step is after the one before it.
                found += [(kind, way, step, phase, "resume") for phase in ("during", "after")]
                found += [(kind, way, step, "during", "rollback")] if step in EARLY else []
    return found


_TWELVE = (
    "stop",
    "out",
    "safe",
    "keep",
    "flags",
    "key",
    "crush",
    "remove",
    "unmount",
    "detach",
    "swap",
    "compare",
    "in",
    "unflag",
)
EARLY = {*_TWELVE[: _TWELVE.index("swap")], "container", "fstab", "conf", "destroy", "release", "hold"}
STEPS = {
    "kolla-ceph": (*_TWELVE, "container", "fstab", "label", "bootstrap", "mount", "start", "refill", "forget"),
    "rdo-ceph": (*_TWELVE, "conf", "zap", "prepare", "activate", "conf-again", "refill", "forget"),
    "ceph-volume": (
        "stop",
        "out",
        "safe",
        "keep",
        "destroy",
        "unmount",
        "release",
        "swap",
        "create",
        "compare",
        "in",
        "refill",
        "forget",
    ),
    "cephadm": ("hold", "drain", "swap", "create", "manage", "refill"),
}
EVERY = _cases()
SEED = seed()
SAMPLE = {
    ("kolla-ssd", "replace", "bootstrap", "during", "resume"),
    ("rdo-ssd", "rebuild", "crush", "during", "rollback"),
    *random.Random(f"{SEED}/osd").sample(EVERY, 3),  # noqa: S311
}


@pytest.fixture
def site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bench: Callable[[Played], Bench]
) -> Iterator[Callable[[str, str], tuple[Bench, Plan]]]:
    monkeypatch.setenv("BLUE_WIZARD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("BLUE_WIZARD_PLUGINS", "tests.storage.seam")
    monkeypatch.setenv("BLUE_WIZARD_INVARIANT_EVERY_S", "0.3")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
    config.load.cache_clear()

    def make(kind: str, way: str) -> tuple[Bench, Plan]:
        state = build.site(kind)
        if way == "replace":
            build.fail(state)
        made = bench(state)
        monkeypatch.setenv("BW_SITE", str(made.site.file.parent))
        return made, made.plan(rebuild=way == "rebuild", drain=way == "rebuild")

    yield make
    pid = worker.alive()
    if pid:
        os.kill(pid, signal.SIGKILL)


def _drive(b: Bench, job: str) -> State:
    """Answer what the job asks, changing the disk when it is asked for, until it has ended."""
    client.ensure_worker()
    while True:
        state = client.wait(job)
        gate = client.show(job)["gate"]
        if gate is None:
            return state
        if "Swap the disk" in gate["question"]:
            with b.site.change() as played:
                if build.FAILED in played["hosts"]["stor1"]["slots"].values():
                    change_disk(played)
            client.answer(job, "done")
        else:
            client.answer(job, "yes")


@pytest.mark.parametrize(
    ("kind", "way", "step", "phase", "end"),
    [pytest.param(*x, marks=() if x in SAMPLE else pytest.mark.slow) for x in EVERY],
)
def test_killed(
    site: Callable[[str, str], tuple[Bench, Plan]],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    way: str,
    step: str,
    phase: str,
    end: str,
) -> None:
    b, plan = site(kind, way)
    steps = [s.id for s in plan.steps]
    monkeypatch.setenv("BW_SITE_KILL", f"{step}:{phase}")
    job = client.submit(plan, approved=True)
    killed = b.site.file.parent / "killed"
    try:
        state = _drive(b, job)
    except client.WorkerGone:
        assert killed.read_text() == f"{step} {phase}\n", f"seed {SEED}"
        takes_back = end == "rollback" and step in returnable(plan)
        if takes_back:
            client.rollback(job)
        state = _drive(b, job)
        if takes_back:
            assert state is State.ROLLED_BACK, client.show(job)["left"]
            back(b)
            return
    else:
        # A step that this plan does not have, or whose effect was there already, is not killed in.
        did = {e["step"] for e in Ledger().events([job]) if e["kind"] == "effect"}
        assert step not in steps or step not in did, f"{step} was not killed, seed {SEED}"
    assert state is State.DONE, client.show(job)
    same(b)
    assert Ledger().audit().faults == ()


@pytest.mark.parametrize("what", ["device", pytest.param("queue", marks=pytest.mark.slow)])
def test_several_in_a_worker(
    site: Callable[[str, str], tuple[Bench, Plan]], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A shared SSD, and two failed disks of a host: children, claims and questions of the real engine; killed on the way."""
    b, _plan = site("kolla-ssd", "rebuild")
    with b.site.change() as state:
        if what == "device":
            state.clear()
            state.update(dead_ssd("kolla-ssd"))
        else:
            for serial in (build.FAILED, build.NEIGHBOUR):
                build.fail(state, serial)
            for box in state["hosts"]["stor1"]["boxes"].values():
                box["running"] = False
    b.again()
    b.allowed = (build.NEIGHBOUR, build.SSD, "SN-NEW4", "SN-FRESH")
    plan = b.plan_shared(build.SSD) if what == "device" else b.plan(3, 4)
    monkeypatch.setenv("BW_SITE_KILL", "bootstrap:during")
    job = client.submit(plan, approved=True)

    def drive() -> State:
        client.ensure_worker()
        while True:
            state = client.wait(job)
            gate = client.show(job)["gate"]
            if gate is None:
                return state
            with b.site.change() as played:
                if what == "device":
                    change_ssd(played)
                elif "Swap the disk" in gate["question"]:
                    mine = next(s for s in (build.FAILED, build.NEIGHBOUR) if s in gate["question"])
                    slot, new = ("1", "SN-NEW") if mine == build.FAILED else ("2", "SN-NEW4")
                    if mine in played["hosts"]["stor1"]["slots"].values():
                        pull(played, "stor1", mine)
                        insert(played, "stor1", slot, disk(new))
            client.answer(job, "done" if "Swap the disk" in gate["question"] else "yes")

    with pytest.raises(client.WorkerGone):
        drive()
    assert drive() is State.DONE, client.show(job)
    both_back(b)
    report = client.show(job, report=True)["report"]
    assert sorted(o["osd"] for o in report["osds"]) == [3, 4]


def test_seam_is_read() -> None:
    """The worker's plug-in is the module that these tests install in their own process, too."""
    assert seam.__name__ == "tests.storage.seam"
