"""Whole replacements and rebuilds on a played site, in every way of deployment: all is the same afterwards, and nothing is left."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from blue_wizard.jobs.model import Plan
from blue_wizard.report.disks import commands_of
from tests.drawn import seed
from tests.storage import build
from tests.storage.runner import Bench, Killed, bench, leftovers
from tests.storage.site import State, digests

__all__ = ["bench"]
Make = Callable[[State], Bench]
Happening = Callable[[State], None]
CASES = [
    *[(k, "replace") for k in build.KINDS],
    *[(k, "drain") for k in build.KINDS],
    *[(k, "rebuild") for k in build.KINDS],
]


def start(bench: Make, kind: str, way: str) -> tuple[Bench, Plan]:
    """A site with a failed disk, or a serving OSD that is to be drained or rebuilt; and the plan for it."""
    state = build.site(kind)
    if way == "replace":
        build.fail(state)
    b = bench(state)
    return b, b.plan(rebuild=way == "rebuild", drain=way != "replace")


def same(b: Bench) -> None:
    """The OSD is as it was before its disk failed, the new data is all there, and nothing is left of the job."""
    before, now = b.first["cluster"], b.site.state()
    osd = now["cluster"]["osds"]["3"]
    assert osd["up"]
    assert osd["in"]
    assert osd["crush"] == before["osds"]["3"]["crush"]
    assert set(now["cluster"]["osds"]) == set(before["osds"])
    assert now["cluster"]["flags"] == before["flags"]
    assert now["cluster"]["worst"]["copies"] >= build.MIN_SIZE
    assert now["cluster"]["worst"]["live"] >= build.MIN_SIZE
    assert all(len(p["holders"]) == build.SIZE for p in now["cluster"]["pgs"].values())
    assert leftovers(b.first, now) == []
    assert b.wrong() == []


@pytest.mark.parametrize(("kind", "way"), CASES)
def test_whole(bench: Make, kind: str, way: str) -> None:
    b, plan = start(bench, kind, way)
    run = b.run(plan)
    assert run.forward() == "done", run.error
    same(b)
    assert run.broken == []


@pytest.mark.parametrize(("kind", "way"), CASES)
def test_what_runs_is_what_was_planned(bench: Make, kind: str, way: str) -> None:
    """Every command that changes something stands in the plan, in that order; making a plan changes nothing."""
    b, plan = start(bench, kind, way)
    assert b.site.changes() == []
    assert digests(b.site.state()) == digests(b.first)
    run = b.run(plan)
    assert run.forward() == "done", run.error
    planned = [_pattern(c) for step in plan.steps for c in commands_of(step)]
    at = 0
    for said in b.site.changes():
        # One that is repeated until a person is done stays where it is.
        found = next((i for i in range(at, len(planned)) if planned[i].fullmatch(said)), None)
        assert found is not None, f"{said} is not planned here"
        at = found


def _pattern(command: Any) -> re.Pattern[str]:
    where = "ceph " if command["on"] == "ceph" else "stor1: "
    words = " ".join(command["argv"])
    # What is known only when it runs stands in angle brackets; of the flags, those that the job has set.
    parts = re.split(r"<[a-z-]+(?::[^>]*)?>|\bFLAG\b", words)
    return re.compile(re.escape(where) + r"\S+".join(re.escape(p) for p in parts))


def points(request: pytest.FixtureRequest, count: int) -> list[int]:
    """After which commands to kill: after every one, or, day by day, after some of them (BW_SEED repeats a day)."""
    every = list(range(1, count + 1))
    draw = random.Random(f"{seed()}/{request.node.name}")  # noqa: S311
    return every if request.config.getoption("--whole") else sorted(draw.sample(every, min(1, count)))


def count_of(bench: Make, kind: str, way: str) -> tuple[int, int]:
    """How many commands a whole run has, and how many of them come before the point of no return."""
    b, plan = start(bench, kind, way)
    run = b.run(plan)
    no_return = next(s.id for s in plan.steps if s.irreversible)
    before = []
    run.on = {**run.on, no_return: both(run.on.get(no_return), lambda _s: before.append(len(b.site.changes())))}
    assert run.forward() == "done", run.error
    return len(b.site.changes()), before[0]


def both(first: Happening | None, second: Happening) -> Happening:
    def happen(state: State) -> None:
        second(state)
        if first is not None:
            first(state)

    return happen


@pytest.mark.parametrize(("kind", "way"), CASES)
def test_killed_and_resumed(request: pytest.FixtureRequest, bench: Make, kind: str, way: str) -> None:
    """Killed right after a command that changed something; the next worker goes on, and the end is the same."""
    for at in points(request, count_of(bench, kind, way)[0]):
        b, plan = start(bench, kind, way)
        b.kill_at = at
        run = b.run(plan)
        with pytest.raises(Killed):
            run.forward()
        assert run.forward() == "done", (at, b.site.changes()[at - 1], run.error)
        same(b)


@pytest.mark.parametrize(("kind", "way"), CASES)
def test_killed_and_taken_back(request: pytest.FixtureRequest, bench: Make, kind: str, way: str) -> None:
    """Killed after a command before the point of no return, and rolled back: the OSD is what and where it was."""
    for at in points(request, count_of(bench, kind, way)[1]):
        b, plan = start(bench, kind, way)
        b.kill_at = at
        run = b.run(plan)
        with pytest.raises(Killed):
            run.forward()
        assert run.back() == "rolled-back", (at, run.left)
        back(b)


@pytest.mark.parametrize(("kind", "way"), CASES)
def test_killed_while_it_is_taken_back(request: pytest.FixtureRequest, bench: Make, kind: str, way: str) -> None:
    """A *no* at the last moment before the point of no return; killed on the way back, which the next worker ends."""
    count = count_of(bench, kind, way)[1]
    for at in points(request, count):
        b, plan = start(bench, kind, way)
        run = b.run(plan)
        b.kill_at = count
        with pytest.raises(Killed):
            run.forward()
        b.kill_at = count + at
        with suppress(Killed):
            run.back()
        b.kill_at = -1
        assert run.back() == "rolled-back", (at, run.left)
        back(b)


@pytest.mark.parametrize(("kind", "way"), [c for c in CASES if c[0] != "cephadm" and c[1] != "drain"])
def test_half_of_what_makes_an_osd(bench: Make, kind: str, way: str) -> None:
    """The host itself died in the middle of the command that makes the OSD: what that left is taken away, and it is made."""
    b, plan = start(bench, kind, way)
    run = b.run(plan)
    seen = []

    def tear(state: State) -> None:
        state["cluster"]["torn"] = True
        seen.append(True)

    making = next(s.id for s in plan.steps if s.id in {"bootstrap", "prepare", "create"})
    run.on[making] = tear
    assert run.forward() == "done", run.error
    assert seen
    assert not b.site.state()["cluster"]["torn"]
    same(b)


def returnable(plan: Plan) -> list[str]:
    """The steps before the point of no return."""
    steps = [s.id for s in plan.steps]
    return steps[: next(i for i, s in enumerate(plan.steps) if s.irreversible)]


def back(b: Bench) -> None:
    """Everything is as before the job, the disk's data included."""
    now = b.site.state()
    before = b.first["cluster"]
    osd, was = now["cluster"]["osds"]["3"], before["osds"]["3"]
    for key in ("uuid", "crush", "in", "up", "destroyed"):
        assert osd[key] == was[key], key
    assert now["cluster"]["auth"] == before["auth"]
    assert now["cluster"]["flags"] == before["flags"]
    assert now["cluster"]["kept"] == {}
    assert digests(now) == digests(b.first)
    dead = any(d["dead"] for d in b.first["disks"].values())
    for name, was_, is_ in ((n, h, hosts(now)[n]) for n, h in hosts(b.first).items()):
        for key, value in was_.items():
            # A dead disk can't be mounted or activated again.
            assert is_[key] == value or (dead and key in {"mounts", "dm"}), (name, key, value, is_[key])


def hosts(state: State) -> dict[str, Any]:
    kept = ("slots", "letters", "boxes", "enabled", "folders")
    return {
        n: {
            **{k: h[k] for k in kept},
            "fstab": sorted(h["fstab"].splitlines()),
            "conf": sorted(h["conf"].splitlines()),
            "mounts": sorted(h["mounts"]),
            "dm": sorted(d["name"] for d in h["dm"]),
        }
        for n, h in state["hosts"].items()
    }
