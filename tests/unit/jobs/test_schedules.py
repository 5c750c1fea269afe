"""Operations that recur: each time once, by whoever is first; what was missed at most once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blue_wizard.cli import main
from blue_wizard.errors import InputError, Refused, StepFailed
from blue_wizard.jobs import actions, client, people, schedules
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Json, Plan, State, Step
from blue_wizard.jobs.schedules import Scheduler, check, latest, run_due, upcoming

THREE = datetime(2026, 11, 25, 3, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()
DAY = 86400.0


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setenv("BLUE_WIZARD_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(people, "who", lambda: "li")
    return Ledger()


@pytest.fixture(autouse=True)
def planned(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, Json]]:
    """What was planned, by its parameters."""
    seen: list[Mapping[str, Json]] = []

    def plan(params: Mapping[str, Json]) -> Plan:
        seen.append(params)
        if params.get("fail"):
            raise StepFailed("the cloud is away", "look for it")
        step = Step("a", "toy.make", {}, "a", locks=tuple(params.get("locks", ())))
        return Plan("p", "toy.often", params=params, steps=(step,), second_person=bool(params.get("two")))

    monkeypatch.setitem(actions._planners, "toy.often", plan)
    return seen


def _add(ledger: Ledger, name: str = "s", *, catch_up: bool = True, **params: Any) -> None:
    ledger.add_schedule(
        name,
        params,
        cron="0 3 * * *",
        timezone="Asia/Shanghai",
        operation="toy.often",
        catch_up=catch_up,
        who="li",
        origin="desk",
        since=THREE - DAY / 2,
    )


def _look(ledger: Ledger, now: float) -> list[str]:
    """What one look at that moment submits."""
    before = {j["id"] for j in ledger.jobs()}
    one = Scheduler(ledger, mine=lambda: True, now=lambda: now)
    one.look()
    one._pool.shutdown()
    return [j["id"] for j in ledger.jobs() if j["id"] not in before]


def test_each_time_is_run_once_and_approved_by_whoever_added_it(ledger: Ledger) -> None:
    _add(ledger)
    assert _look(ledger, THREE - 1) == []
    (job,) = _look(ledger, THREE)
    assert _look(ledger, THREE + 5) == []
    assert ledger.job(job)["state"] == State.QUEUED
    assert [(a["who"], a["origin"]) for a in ledger.approvals(job)] == [("li", "desk, by schedule s")]
    ledger.set_state(job, State.DONE)
    assert len(_look(ledger, THREE + DAY)) == 1


def test_of_two_workers_that_look_at_once_one_submits(ledger: Ledger, tmp_path: Path) -> None:
    _add(ledger)
    row = ledger.schedule("s")
    first = schedules.write_down(ledger, schedules.plan_of(row), due=("s", THREE))
    second = schedules.write_down(Ledger(), schedules.plan_of(row), due=("s", THREE))
    assert first is not None
    assert second is None
    assert [j["id"] for j in ledger.jobs()] == [first]


def test_of_several_times_that_were_missed_the_newest_is_run_once(ledger: Ledger) -> None:
    _add(ledger)
    (job,) = _look(ledger, THREE + 5 * DAY + 3600)
    assert [d["due"] for d in ledger.dues("s")] == [THREE + 5 * DAY]
    ledger.set_state(job, State.DONE)
    assert _look(ledger, THREE + 5 * DAY + 7200) == []


def test_without_catching_up_a_time_that_was_missed_is_left_out(ledger: Ledger) -> None:
    _add(ledger, catch_up=False)
    assert _look(ledger, THREE + 3600) == []
    assert "missed" in ledger.dues("s")[0]["note"]
    assert len(_look(ledger, THREE + DAY + 10)) == 1


def test_a_time_is_skipped_while_the_job_before_has_not_ended(ledger: Ledger) -> None:
    _add(ledger)
    (job,) = _look(ledger, THREE)
    assert _look(ledger, THREE + DAY) == []
    assert job in ledger.dues("s")[0]["note"]
    ledger.set_state(job, State.FAILED)
    assert len(_look(ledger, THREE + 2 * DAY)) == 1


def test_a_clock_that_is_set_runs_no_time_twice(ledger: Ledger) -> None:
    _add(ledger)
    for now in (THREE + 9 * DAY, THREE - DAY / 4, THREE, THREE + 9 * DAY):
        for job in _look(ledger, now):
            ledger.set_state(job, State.DONE)
    assert [d["due"] for d in ledger.dues("s")] == [THREE + 9 * DAY, THREE]
    assert len(ledger.jobs()) == 2


def test_what_can_not_be_planned_or_is_refused_is_written_down(ledger: Ledger) -> None:
    _add(ledger, "fails", fail=True)
    _add(ledger, "first", locks=["host:a"])
    _add(ledger, "late", locks=["host:a"])
    run_due(ledger, ledger.schedule("first"), THREE, now=THREE)
    _look(ledger, THREE)
    assert ledger.dues("fails")[0]["note"] == "the cloud is away look for it"
    assert "host:a is in the hands of job" in ledger.dues("late")[0]["note"]
    assert len(ledger.jobs()) == 1


def test_a_plan_that_asks_for_a_second_person_waits_for_one(ledger: Ledger) -> None:
    _add(ledger, two=True)
    (job,) = _look(ledger, THREE)
    assert ledger.job(job)["state"] == State.PLANNED
    assert len(ledger.approvals(job)) == 1


def test_a_schedule_that_rested_does_not_make_up_for_it(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    _add(ledger)
    ledger.pause_schedule("s", True, "li", "desk")
    assert _look(ledger, THREE) == []
    monkeypatch.setattr("blue_wizard.jobs.timetable.time.time", lambda: THREE + 60)
    ledger.pause_schedule("s", False, "li", "desk")
    assert _look(ledger, THREE + 120) == []
    assert len(_look(ledger, THREE + DAY)) == 1


def test_secrets_are_refused_in_parameters(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="secret"):
        _add(ledger, password="hush")
    assert ledger.schedules() == []
    _add(ledger)
    with pytest.raises(Refused, match="s already"):
        _add(ledger)


@pytest.mark.parametrize("cron", ["x", "61 * * * *", "* * * * * *", "0 0 31 2 *", "@daily"])
def test_an_expression_that_never_comes_is_refused(cron: str) -> None:
    with pytest.raises(InputError, match="cron"):
        check(cron, "UTC")
    with pytest.raises(InputError, match="Mars"):
        check("0 3 * * *", "Mars/Base")


@given(
    st.builds(lambda m, h: f"{m} {h} * * *", st.integers(0, 59), st.integers(0, 23)),
    st.sampled_from(["UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(datetime.timestamp),
)
def test_the_latest_time_is_not_after_now_and_the_next_one_is(cron: str, zone: str, now: float) -> None:
    last, following = latest(cron, zone, now), upcoming(cron, zone, now)
    assert last is not None
    assert following is not None
    # A day has 23 to 25 hours where the clocks change.
    assert now - 25 * 3600 - 1 <= last <= now < following <= now + 25 * 3600 + 1
    assert latest(cron, zone, following) == following


def test_the_command_line(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ensure_worker", lambda: None)
    file = tmp_path / "params.yaml"
    file.write_text("a: 1\n")
    add = ["schedule", "add", "n", "--cron", "0 3 * * *", "--timezone", "Asia/Shanghai", "--yes"]
    assert main([*add, "--operation", "no.such"]) == 2
    assert "toy.often" in capsys.readouterr().err
    assert main([*add, "--operation", "toy.often", "--params", str(file)]) == 0
    assert ledger.schedule("n")["params"] == {"a": 1}
    assert main([*add, "--operation", "toy.often"]) == 3
    assert main(["schedule", "run", "n", "--detach"]) == 0
    assert main(["schedule", "run", "n", "--detach"]) == 3
    (job,) = [j["id"] for j in ledger.jobs()]
    assert job in capsys.readouterr().err
    assert main([*add[:2], "like", *add[3:], "--like", job]) == 0
    assert ledger.schedule("like")["operation"] == "toy.often"
    assert main(["schedule", "pause", "n"]) == 0
    assert main(["schedule", "list"]) == 0
    assert "paused" in capsys.readouterr().out
    assert main(["schedule", "remove", "n", "--yes"]) == 0
    assert main(["schedule", "pause", "n"]) == 2
