from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from blue_wizard.jobs import actions
from blue_wizard.jobs.invariants import InvariantWatch
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Invariant, Plan, State, Step, StepState

PLAN = Plan("p", "toy", steps=(Step("a", "toy.make", {}, "a"),), invariant=Invariant("it lives", "test.lives"))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    made.add({id(PLAN): "j"}, PLAN, State.RUNNING, locks=[])
    return made


def _look(
    ledger: Ledger, check: Callable[[Collection[str]], str], watch: InvariantWatch | None = None
) -> InvariantWatch:
    actions.invariant("test.lives")(lambda _args, begun: check(begun))
    watch = watch or InvariantWatch(ledger, every_s=1, mine=lambda: True)
    watch.look()
    for one in watch._pending.values():
        one.result(5)
    return watch


def _told(ledger: Ledger) -> list[str]:
    return [e["message"] for e in ledger.events(["j"]) if e["kind"] == "invariant"]


def test_what_holds_is_left_alone(ledger: Ledger) -> None:
    _look(ledger, lambda _begun: "")
    assert ledger.signal("j") == ""
    assert _told(ledger) == []


def test_what_is_broken_pauses_and_says_why(ledger: Ledger) -> None:
    _look(ledger, lambda _begun: "it is dead")
    assert ledger.signal("j") == "pause"
    assert ledger.job("j")["reason"] == "it lives: it is dead"


def test_could_not_look_is_told_once_and_pauses_nothing(ledger: Ledger) -> None:
    def fail(_begun: Collection[str]) -> str:
        raise ConnectionError("no route")

    _look(ledger, fail, _look(ledger, fail))
    assert ledger.signal("j") == ""
    assert _told(ledger) == ["could not look: no route"]


def test_what_a_step_that_has_just_begun_changes_is_no_violation(ledger: Ledger) -> None:
    def check(begun: Collection[str]) -> str:
        ledger.set_step("j", 0, StepState.RUNNING)
        return "" if "a" in begun else "it is off"

    _look(ledger, check)
    assert ledger.signal("j") == ""


def test_a_sentence_of_an_older_plan_is_kept() -> None:
    data = {**PLAN.as_json(), "invariant": "it lives"}
    assert Plan.from_json(data).invariant == Invariant("it lives")
    assert Plan.from_json({**data, "invariant": ""}).invariant is None


def test_a_cancel_is_not_forgotten_over_a_violation(ledger: Ledger) -> None:
    def check(_begun: Collection[str]) -> str:
        ledger.send("j", "cancel")
        return "it is dead"

    _look(ledger, check)
    assert ledger.signal("j") == "cancel"
