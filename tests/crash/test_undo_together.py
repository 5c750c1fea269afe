"""Undoing a batch that has ended: side by side where its parts are independent, else one after another, last first."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from blue_wizard.jobs import client
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import State

from .conftest import Toy

NAMES = [f"k{i}" for i in range(6)]


def _batch(toy: Toy, *, independent: bool, **args: float) -> str:
    """A job of a step and six parts on two targets that is done."""
    kids = tuple(toy.plan(toy.step(n, **args), target=f"t{i % 2}") for i, n in enumerate(NAMES))
    job = client.submit(toy.plan(toy.step("own"), children=kids, independent=independent), approved=True)
    assert toy.end(job) is State.DONE
    return job


def _spans(job: str, target: str = "") -> list[tuple[float, float]]:
    """When the undoing of each part began and ended, by its beginning."""
    found = []
    for child in Ledger().jobs(parent=job):
        if target in {"", child["target"]}:
            begun = [e["time"] for e in Ledger().events([child["id"]]) if e["message"] == State.ROLLING_BACK]
            found.append((begun[-1], child["ended"]))
    return sorted(found)


def _most_at_once(spans: list[tuple[float, float]]) -> int:
    return max(sum(begun <= at < ended for begun, ended in spans) for at, _ended in spans)


def test_independent_parts_are_undone_within_the_limits(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUE_WIZARD_LIMITS__TOTAL", "3")
    monkeypatch.setenv("BLUE_WIZARD_LIMITS__PER_TARGET", "2")
    job = _batch(toy, independent=True, undo_seconds=2)
    client.rollback(job)
    assert toy.end(job) is State.ROLLED_BACK
    assert toy.there() == set()
    assert toy.effects()[-1] == "unmake own"
    assert _most_at_once(_spans(job)) in {2, 3}
    assert all(_most_at_once(_spans(job, target)) <= 2 for target in ("t0", "t1"))
    assert Ledger().audit().faults == ()


def test_others_are_undone_one_after_another_last_first(toy: Toy) -> None:
    job = _batch(toy, independent=False, undo_seconds=0.2)
    client.rollback(job)
    assert toy.end(job) is State.ROLLED_BACK
    assert toy.effects()[7:] == [*(f"unmake {n}" for n in reversed(NAMES)), "unmake own"]
    assert all(before[1] <= after[0] for before, after in pairwise(_spans(job)))


def test_a_worker_that_is_killed_among_them_is_followed_by_one_that_undoes_the_rest_once(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = _batch(toy, independent=True, undo_seconds=0.5)
    marker: Path = toy.folder / "killed"
    monkeypatch.setenv("BW_KILL", f"k3:undo:{marker}")
    client.rollback(job)
    with pytest.raises(client.WorkerGone):
        client.wait(job)
    assert marker.read_text() == "k3 undo\n"
    assert toy.end(job) is State.ROLLED_BACK
    assert sorted(toy.effects()[7:-1]) == [f"unmake {n}" for n in NAMES]
    assert toy.effects()[-1] == "unmake own"
    assert Ledger().audit().faults == ()


@pytest.mark.parametrize("independent", [True, False])
def test_an_emergency_stop_is_heard_by_those_whose_turn_has_not_come(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, independent: bool
) -> None:
    monkeypatch.setenv("BLUE_WIZARD_LIMITS__TOTAL", "1")
    job = _batch(toy, independent=independent, undo_seconds=2)
    client.rollback(job)
    toy.wait_for(lambda: len(toy.there()) == len(NAMES), "the first part to be undone")
    client.abort(job)
    assert client.wait(job) is State.STUCK
    assert "own" in toy.there()
    assert len(toy.there()) >= len(NAMES) - 1
    client.rollback(job)
    assert toy.end(job) is State.ROLLED_BACK
    assert toy.there() == set()
