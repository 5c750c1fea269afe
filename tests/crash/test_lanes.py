"""Steps in lanes run side by side, each lane in its order; one that fails or a person stops all of them; kill -9 loses nothing."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.jobs import client
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Plan, State, Step, StepState

from .conftest import Toy

# The lanes x and y of a block, between a step before and one after it.
NAMES = ["first", "x1", "y1", "x2", "y2", "last"]


def _laned(step: Step, lane: str) -> Step:
    return replace(step, lane=lane)


def _plan(toy: Toy, **args: dict[str, Any]) -> Plan:
    """`args` are those of single steps, by name."""
    steps = {n: toy.step(n, **args.get(n, {})) for n in NAMES}
    return toy.plan(*(_laned(s, n[0]) if n[0] in "xy" else s for n, s in steps.items()))


def _begin(toy: Toy, plan: Plan, *begun: str) -> str:
    job = client.submit(plan, approved=True)
    client.ensure_worker()
    for name in begun:
        toy.wait_for((toy.folder / f"{name}.begun").exists, f"{name} to begin")
    return job


def _in_order(effects: Sequence[str]) -> bool:
    """Each was made once, in the order of its lane, between the step before the block and the one after it."""
    at = {line.removeprefix("make "): i for i, line in enumerate(effects)}
    lanes = at["x1"] < at["x2"] and at["y1"] < at["y2"]
    return sorted(effects) == sorted(f"make {n}" for n in NAMES) and lanes and (at["first"], at["last"]) == (0, 5)


def test_lanes_run_side_by_side_and_the_step_after_them_waits_for_all(toy: Toy) -> None:
    go = {"x": toy.folder / "go-x", "y": toy.folder / "go-y"}
    job = _begin(toy, _plan(toy, x1={"hold": str(go["x"])}, y2={"hold": str(go["y"])}), "x1", "y2")
    # The first step of lane x stands, and lane y has come to its second.
    assert toy.effects() == ["make first", "make y1"]
    go["x"].touch()
    toy.wait_for(lambda: "x2" in toy.there(), "lane x to end")
    assert "last" not in toy.there()
    go["y"].touch()
    assert toy.end(job) is State.DONE
    assert _in_order(toy.effects()), toy.effects()
    client.rollback(job)
    assert toy.end(job) is State.ROLLED_BACK
    assert toy.effects()[6:] == [f"unmake {n}" for n in reversed(NAMES)]
    assert Ledger().audit().faults == ()


def test_a_lane_that_fails_stops_the_others_and_all_is_undone(toy: Toy) -> None:
    go = toy.folder / "go"
    plan = _plan(toy, x1={"hold": str(go), "fail": True}, y1={"hold": str(toy.folder / "never")})
    job = _begin(toy, plan, "x1", "y1")
    go.touch()
    assert toy.end(job) is State.FAILED
    assert toy.there() == set()
    assert toy.effects() == ["make first", "make x1", "unmake x1", "unmake first"]
    view = client.show(job)
    assert view["error"] == "make x1: failed as told"
    assert Ledger().steps(job)[2]["state"] == StepState.UNDONE


def test_a_person_stops_all_lanes(toy: Toy) -> None:
    never = {"hold": str(toy.folder / "never")}
    job = _begin(toy, _plan(toy, x1=never, y1=never), "x1", "y1")
    client.cancel(job)
    assert toy.end(job) is State.CANCELLED
    assert toy.effects() == ["make first", "unmake first"]


def test_a_pause_holds_all_lanes_and_outlives_their_worker(toy: Toy) -> None:
    go = toy.folder / "go"
    held = {"hold": str(go), "pauses": True}
    job = _begin(toy, _plan(toy, x1=held, y1=held), "x1", "y1")
    client.pause(job)
    assert client.wait(job) is State.PAUSED
    go.touch()
    toy.kill_worker()
    client.ensure_worker()
    assert client.wait(job) is State.PAUSED
    client.resume(job)
    assert toy.end(job) is State.DONE
    assert _in_order(toy.effects()), toy.effects()


def test_a_worker_that_ends_among_lanes_is_followed_by_one_that_carries_on(toy: Toy) -> None:
    go = toy.folder / "go"
    held = {"hold": str(go)}
    job = _begin(toy, _plan(toy, x1=held, y2=held), "x1", "y2")
    toy.kill_worker(signal.SIGTERM)
    assert toy.effects() == ["make first", "make y1"]
    go.touch()
    client.resume(job)
    assert toy.end(job) is State.DONE
    assert _in_order(toy.effects()), toy.effects()


@pytest.mark.parametrize("phase", ["before", "during", "after"])
@pytest.mark.parametrize("step", ["x1", "y2"])
def test_killed_in_a_lane(toy: Toy, monkeypatch: pytest.MonkeyPatch, step: str, phase: str) -> None:
    marker: Path = toy.folder / "killed"
    monkeypatch.setenv("BW_KILL", f"{step}:{phase}:{marker}")
    slow = {"seconds": 0.4}
    job = client.submit(_plan(toy, x1=slow, x2=slow, y1=slow, y2=slow), approved=True)
    client.ensure_worker()
    with pytest.raises(client.WorkerGone):
        client.wait(job)
    assert marker.read_text() == f"{step} {phase}\n"
    assert toy.end(job) is State.DONE
    assert _in_order(toy.effects()), toy.effects()
    assert Ledger().audit().faults == ()


def test_killed_while_lanes_are_undone(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    marker: Path = toy.folder / "killed"
    monkeypatch.setenv("BW_KILL", f"y1:undo:{marker}")
    job = client.submit(_plan(toy, y1={"undo_seconds": 0.5}, last={"fail": True}), approved=True)
    client.ensure_worker()
    with pytest.raises(client.WorkerGone):
        client.wait(job)
    assert toy.end(job) is State.FAILED
    assert toy.there() == set()
    assert sorted(toy.effects()[6:]) == sorted(f"unmake {n}" for n in NAMES)
