"""What people may do with a job before any worker is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blue_wizard import config
from blue_wizard.errors import InputError, Refused
from blue_wizard.jobs import client, people
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Gate, Plan, State, Step, StepState

PLAN = Plan("p", "no-such-operation", steps=(Step("a", "toy.make", {}, "a"),))


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("BLUE_WIZARD_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(client, "ensure_worker", lambda: None)
    config.load.cache_clear()
    yield
    config.load.cache_clear()


def _be(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(people, "who", lambda: name)


def test_two_different_people_have_to_approve_where_the_site_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUE_WIZARD_SECOND_PERSON", "true")
    _be(monkeypatch, "li")
    job = client.submit(PLAN, approved=True)
    assert Ledger().job(job)["state"] == State.PLANNED
    with pytest.raises(Refused, match="li"):
        client.approve(job)
    _be(monkeypatch, "wang")
    assert client.approve(job, PLAN.digest)
    assert Ledger().job(job)["state"] == State.QUEUED
    assert [a["who"] for a in Ledger().approvals(job)] == ["li", "wang"]


def test_a_job_on_hold_needs_two_more_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUE_WIZARD_SECOND_PERSON", "true")
    job = client.submit(PLAN, approved=False)
    _be(monkeypatch, "li")
    assert not client.approve(job)
    _be(monkeypatch, "wang")
    assert client.approve(job)


def test_one_person_is_enough_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    _be(monkeypatch, "li")
    assert Ledger().job(client.submit(PLAN, approved=True))["state"] == State.QUEUED


def test_the_environment_does_not_say_who_somebody_is(monkeypatch: pytest.MonkeyPatch) -> None:
    before = people.who()
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert people.who() == before


def test_a_question_takes_only_answers_that_it_asks_for() -> None:
    job = client.submit(PLAN, approved=True)
    with pytest.raises(Refused, match=job):
        client.answer(job, "yes")
    Ledger().ask(job, 0, "a", Gate("Is the disk in?"))
    with pytest.raises(InputError, match="Is the disk in"):
        client.answer(job, "perhaps")
    assert client.show(job)["gate"]["question"] == "Is the disk in?"
    client.answer(job, "yes")
    assert client.show(job)["gate"] is None
    with pytest.raises(Refused):
        client.answer(job, "no")


def test_of_several_questions_one_has_to_be_named() -> None:
    plan = Plan("p", "toy", children=(PLAN, PLAN.from_json(PLAN.as_json())))
    job = client.submit(plan, approved=True)
    for part in (f"{job}.1", f"{job}.2"):
        Ledger().ask(part, 0, "a", Gate("Which serial number?", text=True))
    with pytest.raises(InputError, match=rf"{job}\.1, {job}\.2"):
        client.answer(job, "S3Z1")
    client.answer(f"{job}.2", "S3Z2")
    client.answer(job, "S3Z1")
    assert [g["answer"] for g in Ledger().gates(root=job)] == ["S3Z1", "S3Z2"]


@pytest.mark.parametrize("state", [State.PLANNED, State.DONE, State.ROLLING_BACK])
def test_what_does_not_run_can_not_be_paused(state: State) -> None:
    job = client.submit(PLAN, approved=False)
    Ledger().set_state(job, state)
    with pytest.raises(Refused, match=job):
        client.pause(job)


def test_a_job_can_be_undone_while_any_part_of_it_stands() -> None:
    job = client.submit(Plan("p", "toy", children=(PLAN, PLAN.from_json(PLAN.as_json()))), approved=True)
    ledger = Ledger()
    assert client.can_be_undone(job)
    for one in (f"{job}.1", f"{job}.2", job):
        ledger.set_state(one, State.FAILED)
    assert not client.can_be_undone(job)
    ledger.set_step(f"{job}.2", 0, StepState.DONE)
    assert client.can_be_undone(job)
    ledger.set_step(f"{job}.2", 0, StepState.UNDONE)
    assert not client.can_be_undone(job)
