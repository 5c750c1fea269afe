"""Gates and pauses, with clocks of our own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from blue_wizard.errors import Refused, Stopped
from blue_wizard.jobs import client, waiting
from blue_wizard.jobs.context import StepContext
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Gate, Plan, State, Step
from blue_wizard.jobs.waiting import NOBODY, Clock, answer_to, rest_while_paused

GATE = Gate("Is the disk in?", deadline_s=600, remind_s=100)


class Clocks:
    """A wall clock and a steady one that move when somebody sleeps; `at` says what happens at a steady second."""

    def __init__(self) -> None:
        self.steady, self.wall = 50.0, 1_000_000.0
        self.at: dict[float, Callable[[], None]] = {}

    def sleep(self, _seconds: float) -> None:
        self.steady += 10
        self.wall += 10
        self.at.pop(self.steady, lambda: None)()

    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.steady, self.sleep)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    made = Clocks()
    monkeypatch.setattr("blue_wizard.jobs.ledger.time.time", lambda: made.wall)
    return made


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    plan = Plan("p", "toy", steps=(Step("a", "toy.make", {}, "a", gate=GATE),))
    made.add({id(plan): "j"}, plan, State.RUNNING, locks=[])
    return made


def _ask(ledger: Ledger, clocks: Clocks, gate: Gate = GATE) -> str:
    return answer_to(ledger, "j", 0, "a", gate, clock=clocks.clock())


def _told(ledger: Ledger, kind: str) -> list[str]:
    return [e["message"] for e in ledger.events(["j"]) if e["kind"] == kind]


def test_a_yes_lets_it_go_on_and_is_not_asked_for_again(ledger: Ledger, clocks: Clocks) -> None:
    states = []

    def say_yes() -> None:
        states.append(ledger.job("j")["state"])
        ledger.answer("j", 0, "yes", "li", "here")

    clocks.at[80.0] = say_yes
    assert _ask(ledger, clocks) == "yes"
    assert states == [State.WAITING]
    assert ledger.job("j")["state"] == State.RUNNING
    assert _ask(ledger, clocks) == "yes"
    assert _told(ledger, "gate") == [GATE.question]
    with pytest.raises(Refused, match="li"):
        ledger.answer("j", 0, "no", "wang", "there")


def test_a_no_stops_the_job(ledger: Ledger, clocks: Clocks) -> None:
    clocks.at[60.0] = lambda: ledger.answer("j", 0, "no", "li", "here")
    with pytest.raises(Stopped, match="li"):
        _ask(ledger, clocks)


@pytest.mark.parametrize("otherwise", ["yes", "no"])
def test_after_the_deadline_what_was_agreed_counts(ledger: Ledger, clocks: Clocks, otherwise: str) -> None:
    gate = Gate("q", deadline_s=600, remind_s=250, otherwise=otherwise)
    if otherwise == "yes":
        assert _ask(ledger, clocks, gate) == "yes"
    else:
        with pytest.raises(Stopped):
            _ask(ledger, clocks, gate)
    assert clocks.steady == 650
    assert ledger.gates(job="j")[0]["who"] == NOBODY
    assert len(_told(ledger, "reminder")) == 2


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_a_clock_that_is_set_takes_no_time_to_answer_away(ledger: Ledger, clocks: Clocks, jump: float) -> None:
    def set_clock() -> None:
        clocks.wall += jump

    clocks.at[100.0] = set_clock
    with pytest.raises(Stopped):
        _ask(ledger, clocks)
    assert clocks.steady == 650
    assert _told(ledger, "clock") == ["the clock was set"]


def test_a_cancel_ends_the_waiting(ledger: Ledger, clocks: Clocks) -> None:
    clocks.at[60.0] = lambda: ledger.send("j", "cancel")
    with pytest.raises(Stopped):
        _ask(ledger, clocks)
    assert ledger.gates(job="j")[0]["answer"] is None


def test_a_pause_holds_what_moves_until_it_is_resumed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_POLL_S", 0.01)
    held: list[bool] = []
    assert not rest_while_paused(ledger, "j", hold=held.append)
    ledger.send("j", "pause")
    resting = threading.Thread(target=rest_while_paused, args=(ledger, "j"), kwargs={"hold": held.append})
    resting.start()
    while ledger.job("j")["state"] != State.PAUSED or held != [True]:
        assert resting.is_alive()
    ledger.send("j", "")
    resting.join(5)
    assert held == [True, False]
    assert ledger.job("j")["state"] == State.RUNNING


def test_a_cancel_ends_a_pause(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_POLL_S", 0.01)
    ledger.send("j", "pause")
    threading.Timer(0.05, ledger.send, ("j", "cancel")).start()
    with pytest.raises(Stopped):
        rest_while_paused(ledger, "j")


def _holding(ledger: Ledger, job: str) -> threading.Thread:
    """A step of the job that waits for a person. One that waits for good must not keep the tests from ending."""
    hold = StepContext(ledger, job, 0, "a").hold
    resting = threading.Thread(target=hold, args=("no space left on /",), daemon=True)
    resting.start()
    return resting


def test_a_part_may_rest_while_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_POLL_S", 0.01)
    monkeypatch.setenv("BLUE_WIZARD_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(client, "ensure_worker", lambda: None)
    ledger = Ledger()
    step = Step("a", "toy.make", {}, "a")
    parts = tuple(Plan(f"p{i}", "toy", steps=(step,)) for i in range(2))
    whole = Plan("w", "toy", children=parts)
    ledger.add({id(whole): "w"} | {id(p): f"w.{i}" for i, p in enumerate(parts, 1)}, whole, State.RUNNING, locks=[])
    for one in ("w", "w.1", "w.2"):
        ledger.set_state(one, State.RUNNING)
    resting = _holding(ledger, "w.1")
    while ledger.job("w.1")["state"] != State.PAUSED:
        assert resting.is_alive()
    assert (ledger.job("w.1")["reason"], ledger.signal("w.2"), ledger.signal("w")) == ("no space left on /", "", "")
    # Whoever resumes the whole resumes its parts.
    client.resume("w")
    resting.join(5)
    assert not resting.is_alive()
    assert ledger.job("w.1")["state"] == State.RUNNING


def test_a_part_that_is_to_be_undone_does_not_rest(ledger: Ledger) -> None:
    ledger.send("j", "rollback")
    resting = _holding(ledger, "j")
    resting.join(5)
    assert not resting.is_alive()
    assert ledger.signal("j") == "rollback"
