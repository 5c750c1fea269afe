"""Who may begin: limits per kind, the oldest first, nobody kept waiting for good."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blue_wizard.jobs.admission import choose
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Plan, State

KINDS = {"source-host": 1, "datastore": 2}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/ledger.db")


def _add(ledger: Ledger, job: str, *uses: str, children: tuple[Plan, ...] = ()) -> None:
    plan = Plan(job, "toy", uses=uses, children=children)
    ids = {id(plan): job} | {id(c): f"{job}.{i}" for i, c in enumerate(children, start=1)}
    ledger.add(ids, plan, State.QUEUED, locks=[])


def _begun(ledger: Ledger, total: int = 10) -> list[str]:
    ledger.admit(total, 10, KINDS)
    started = ledger.to_start()
    for job in started:
        ledger.set_state(job, State.RUNNING)
    return started


def test_each_kind_has_its_own_limit_and_what_has_none_is_free(ledger: Ledger) -> None:
    for number in range(4):
        _add(ledger, f"j-{number}", "datastore:d1", "rack:r1")
    _add(ledger, "j-4", "source-host:s1")
    _add(ledger, "j-5", "source-host:s1")
    _add(ledger, "j-6", "source-host:s2")
    assert _begun(ledger) == ["j-0", "j-1", "j-4", "j-6"]
    ledger.set_state("j-4", State.DONE)
    assert _begun(ledger) == ["j-5"]


def test_parts_of_several_jobs_share_what_they_use_and_begin_when_their_job_hands_on(ledger: Ledger) -> None:
    parts = tuple(Plan(f"p{i}", "toy", uses=("source-host:s1",)) for i in range(2))
    _add(ledger, "j-0", "source-host:s1", children=parts)
    _add(ledger, "j-1", "source-host:s1")
    assert _begun(ledger) == ["j-0"]
    assert _begun(ledger) == []
    ledger.hand_on("j-0")
    assert _begun(ledger) == ["j-0.1"]
    ledger.set_state("j-0.1", State.DONE)
    assert _begun(ledger) == ["j-0.2"]
    ledger.set_state("j-0.2", State.DONE)
    assert _begun(ledger) == ["j-1"]


def test_a_job_that_comes_back_from_a_rest_waits_for_its_turn(ledger: Ledger) -> None:
    _add(ledger, "j-0", "source-host:s1")
    _add(ledger, "j-1", "source-host:s1")
    assert _begun(ledger) == ["j-0"]
    ledger.set_state("j-0", State.PAUSED)
    assert _begun(ledger) == ["j-1"]
    assert not ledger.readmit("j-0", 10, 10, KINDS)
    assert ledger.job("j-0")["state"] == State.QUEUED
    _add(ledger, "j-2", "source-host:s1")
    ledger.set_state("j-1", State.DONE)
    assert ledger.readmit("j-0", 10, 10, KINDS)
    assert ledger.job("j-0")["state"] == State.RUNNING
    assert _begun(ledger) == []


def test_what_was_stopped_before_it_began_ends_without_beginning(ledger: Ledger) -> None:
    _add(ledger, "j-0", children=(Plan("a", "toy"), Plan("b", "toy")))
    assert _begun(ledger) == ["j-0"]
    ledger.hand_on("j-0")
    assert _begun(ledger, total=1) == ["j-0.1"]
    ledger.drop_queued("j-0")
    assert ledger.job("j-0.2")["state"] == State.QUEUED
    ledger.send("j-0", "cancel")
    ledger.drop_queued("j-0")
    assert [c["state"] for c in ledger.jobs(parent="j-0")] == [State.RUNNING, State.CANCELLED]


def test_a_job_that_waits_for_its_turn_can_be_cancelled_without_it(ledger: Ledger) -> None:
    _add(ledger, "j-0", children=(Plan("a", "toy"),))
    assert ledger.cancel_unborn("j-0")
    assert [j["state"] for j in ledger.jobs(root="j-0")] == [State.CANCELLED] * 2
    assert not ledger.cancel_unborn("j-0")
    _add(ledger, "j-1")
    ledger.admit(1, 1)
    assert not ledger.cancel_unborn("j-1")


def test_the_first_in_line_is_not_overtaken_for_good() -> None:
    room = {"a": 1, "b": 2}.__getitem__
    queued = [("old", ["a", "b"]), ("young", ["b"]), ("younger", ["b"])]
    # One place of b is kept for the old one, which waits for a.
    assert choose(queued, {"a": 1}, room) == ["young"]
    assert choose(queued, {"b": 1}, room) == ["old"]
    # Only the first in line keeps anything: a crowd that waits for a leaves b to others.
    crowd = [(f"old{i}", ["a", "b"]) for i in range(9)]
    assert choose([*crowd, ("young", ["b"])], {"a": 1}, room) == ["young"]


def test_who_waits_for_a_place_in_all_keeps_nothing_from_those_who_run() -> None:
    room = {"all/top": 1, "all/part": 5, "a": 1}.__getitem__
    queued = [("top", ["all/top", "a"]), ("part", ["all/part", "a"])]
    assert choose(queued, {"all/top": 1}, room) == ["part"]


NEEDS = st.lists(st.lists(st.sampled_from("abcd"), unique=True, min_size=1), min_size=1, max_size=12)


@given(needs=NEEDS, rooms=st.fixed_dictionaries({n: st.integers(1, 3) for n in "abcd"}))
def test_limits_hold_and_every_job_begins_in_the_end(needs: list[list[str]], rooms: dict[str, int]) -> None:
    queued = [(str(i), n) for i, n in enumerate(needs)]
    running: list[tuple[str, list[str]]] = []
    order: list[str] = []
    while queued or running:
        held = {n: sum(n in needs for _job, needs in running) for n in rooms}
        chosen = choose(queued, held, rooms.__getitem__)
        assert chosen or running
        running += [(j, n) for j, n in queued if j in chosen]
        queued = [(j, n) for j, n in queued if j not in chosen]
        assert all(sum(n in needs for _job, needs in running) <= room for n, room in rooms.items())
        order.append(running.pop(0)[0])
    assert sorted(order, key=int) == [str(i) for i in range(len(needs))]


@given(st.lists(st.sampled_from([["a"], ["b"], ["a", "b"]]), max_size=8), st.integers(0, 1), st.integers(0, 1))
def test_an_unbroken_stream_of_younger_jobs_starves_nobody(young: list[list[str]], a: int, b: int) -> None:
    """Each round one younger job comes and the one that has run longest ends: the old one begins within a few rounds."""
    running = [["a"]] * a + [["b"]] * b
    queued: list[tuple[str, list[str]]] = [("old", ["a", "b"])]
    for round_ in range(4):
        queued.append((f"y{round_}", (young or [["a"]])[round_ % max(1, len(young))]))
        held = {n: sum(n in r for r in running) for n in "ab"}
        chosen = choose(queued, held, lambda _n: 1)
        if "old" in chosen:
            return
        running += [n for j, n in queued if j in chosen]
        queued = [q for q in queued if q[0] not in chosen]
        running = running[1:]
    raise AssertionError("the old one never began")
