from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from blue_wizard.errors import InputError, Refused
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Plan, State, Step, StepState
from blue_wizard.masking import mask

PLAN = Plan("p", "toy", steps=(Step("a", "toy.make", {}, "a", locks=("server:1",)), Step("b", "toy.make", {}, "b")))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/ledger.db")


def _add(ledger: Ledger, job: str, plan: Plan = PLAN) -> None:
    ledger.add({id(plan): job}, plan, State.QUEUED, locks=[x for s in plan.steps for x in s.locks])


def test_a_held_lock_refuses_the_second_job_and_writes_nothing_of_it(ledger: Ledger) -> None:
    _add(ledger, "j-1")
    with pytest.raises(Refused, match="j-1"):
        _add(ledger, "j-2")
    assert [j["id"] for j in ledger.jobs()] == ["j-1"]
    ledger.set_state("j-1", State.DONE)
    _add(ledger, "j-2")
    assert [j["id"] for j in ledger.jobs()] == ["j-1", "j-2"]


def test_outcomes_and_notes_survive_another_process(ledger: Ledger, tmp_path: Path) -> None:
    _add(ledger, "j-1")
    ledger.set_step("j-1", 0, StepState.RUNNING)
    ledger.keep("j-1", 0, {"was": "on"})
    ledger.set_step("j-1", 0, StepState.DONE, outcome={"id": "x"})
    other = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    assert other.outcome("j-1", "a") == {"id": "x"}
    assert other.steps("j-1")[0]["notes"] == {"was": "on"}
    with pytest.raises(KeyError):
        other.outcome("j-1", "b")


def test_events_keep_their_order_when_the_clock_runs_backwards(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    _add(ledger, "j-1")
    times = iter([30.0, 20.0, 10.0])
    monkeypatch.setattr("blue_wizard.jobs.ledger.time.time", lambda: next(times))
    for word in ("first", "second", "third"):
        ledger.event("j-1", "a", "note", word, {})
    assert [e["message"] for e in ledger.events(["j-1"])][1:] == ["first", "second", "third"]


def test_a_cancel_reaches_the_whole_tree_but_not_what_has_ended(ledger: Ledger) -> None:
    kids = tuple(Plan(f"k{i}", "toy") for i in range(2))
    plan = Plan("p", "toy", children=kids)
    ids = {id(plan): "j", id(kids[0]): "j.1", id(kids[1]): "j.2"}
    ledger.add(ids, plan, State.RUNNING, locks=[])
    ledger.set_state("j.1", State.DONE)
    ledger.send("j", "cancel")
    assert [ledger.signal(j) for j in ("j", "j.1", "j.2")] == ["cancel", "", "cancel"]


def test_secrets_are_masked_in_events(ledger: Ledger) -> None:
    _add(ledger, "j-1")
    ledger.event("j-1", "", "effect", "call http://me:hunter2@host/", {"password": "hunter2", "deep": [{"token": "t"}]})
    text = str(ledger.events(["j-1"]))
    assert "hunter2" not in text
    assert "'t'" not in text
    assert "me:***@host" in text


def test_mask_leaves_the_rest_alone() -> None:
    assert mask({"key_name": "k", "name": "n", "keys": 3}) == {"key_name": "k", "name": "n", "keys": 3}


def test_unknown_job(ledger: Ledger) -> None:
    with pytest.raises(InputError, match="j-9"):
        ledger.job("j-9")


def test_unreadable_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(InputError, match=r"ledger\.db"):
        Ledger(f"sqlite:///{tmp_path}/ledger.db")


def test_a_ledger_of_an_older_version_gets_what_it_lacks(ledger: Ledger, tmp_path: Path) -> None:
    _add(ledger, "j-1")
    with sqlite3.connect(tmp_path / "ledger.db") as old:
        old.execute("ALTER TABLE steps DROP COLUMN by_hand")
        old.execute("DROP TABLE gates")
    again = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    again.set_step("j-1", 0, StepState.LEFT, by_hand="rm it")
    assert [s["by_hand"] for s in again.steps("j-1")] == ["rm it", None]
    assert again.gates(job="j-1") == []


def _top(ledger: Ledger, job: str, target: str) -> None:
    plan = Plan(job, "toy", target=target)
    ledger.add({id(plan): job}, plan, State.QUEUED, locks=[])


def _admitted(ledger: Ledger) -> list[str]:
    ledger.admit(total=3, per_target=2)
    return [j["id"] for j in ledger.jobs() if j["admitted"]]


def test_jobs_begin_in_order_and_within_the_limits(ledger: Ledger) -> None:
    for number, target in enumerate(["x", "x", "x", "y", "y", ""]):
        _top(ledger, f"j-{number}", target)
    assert _admitted(ledger) == ["j-0", "j-1", "j-3"]
    assert _admitted(ledger) == ["j-0", "j-1", "j-3"]
    ledger.set_state("j-1", State.DONE)
    assert _admitted(ledger) == ["j-0", "j-1", "j-2", "j-3"]


def test_a_job_that_rests_keeps_nobody_away(ledger: Ledger) -> None:
    for number in range(4):
        _top(ledger, f"j-{number}", "x" if number < 2 else "")
    assert len(_admitted(ledger)) == 3
    ledger.set_state("j-0", State.WAITING)
    assert len(_admitted(ledger)) == 4


def test_a_ledger_that_somebody_else_is_making_is_waited_for(tmp_path: Path) -> None:
    """SQLite refuses the write-ahead log at once while another process writes to a file that has none yet."""
    file = tmp_path / "ledger.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE made_first (x)")
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO made_first VALUES (1)")
    end = threading.Timer(0.5, other.execute, ["COMMIT"])
    end.start()
    try:
        assert Ledger(f"sqlite:///{file}").jobs() == []
    finally:
        end.join()
        other.close()


def test_a_new_ledger_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'ledger.db'}"
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _i: Ledger(url), range(4)))
    assert [ledger.jobs() for ledger in opened] == [[]] * 4
