"""kill -9 before, during and after each of the twelve steps of a job with a question and a batch of children."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from blue_wizard.jobs import client
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Gate, Plan, State
from tests.drawn import seed

from .conftest import Toy

OWN = ("a", "b", "c", "d")
CHILDREN = (("k", "l", "m", "n"), ("u", "v", "w", "x"))
STEPS = (*OWN, *CHILDREN[0], *CHILDREN[1])
EVERY = [(s, p, e) for s in STEPS for p in ("before", "during", "after") for e in ("resume", "rollback")]
SEED = seed()
SAMPLE = {("b", "during", "resume"), *random.Random(SEED).sample(EVERY, 3)}  # noqa: S311


def _plan(toy: Toy) -> Plan:
    own = [toy.step(n, seconds=0.2) for n in OWN]
    own[1] = replace(own[1], gate=Gate("Is the disk in?"))
    children = tuple(toy.plan(*(toy.step(n, seconds=0.2) for n in names), target=names[0]) for names in CHILDREN)
    return toy.plan(*own, children=children)


def _drive(job: str) -> State:
    """Answer what the job asks until it has ended."""
    client.ensure_worker()
    while True:
        state = client.wait(job)
        if client.show(job)["gate"] is None:
            return state
        client.answer(job, "yes")


@pytest.mark.parametrize(
    ("step", "phase", "end"), [pytest.param(*x, marks=() if x in SAMPLE else pytest.mark.slow) for x in EVERY]
)
def test_killed(toy: Toy, monkeypatch: pytest.MonkeyPatch, step: str, phase: str, end: str) -> None:
    marker = toy.folder / "killed"
    monkeypatch.setenv("BW_KILL", f"{step}:{phase}:{marker}")
    job = client.submit(_plan(toy), approved=True)
    with pytest.raises(client.WorkerGone):
        _drive(job)
    assert marker.read_text() == f"{step} {phase}\n", f"seed {SEED}"
    if end == "rollback":
        client.rollback(job)
    state = _drive(job)

    effects = Counter(toy.effects())
    made = {e.split()[1]: n for e, n in effects.items() if e.startswith("make ")}
    unmade = {e.split()[1]: n for e, n in effects.items() if e.startswith("unmake ")}
    if end == "resume":
        assert state is State.DONE
        assert made == dict.fromkeys(STEPS, 1)
        assert unmade == {}
    else:
        assert state is State.ROLLED_BACK
        assert set(made.values()) <= {1}
        assert unmade == made
        assert toy.there() == set()
        _assert_reversed(toy.effects())
    assert Ledger().audit().faults == ()


def _assert_reversed(effects: list[str]) -> None:
    """The steps of each job are undone last first, and a parent's own after those of its children."""
    undone = [e.split()[1] for e in effects if e.startswith("unmake ")]
    for names in (OWN, *CHILDREN):
        mine = [n for n in undone if n in names]
        assert mine == sorted(mine, key=names.index, reverse=True)
    assert [n for n in undone if n in OWN] == undone[len(undone) - sum(n in OWN for n in undone) :]
