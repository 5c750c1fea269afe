from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from blue_wizard import cli
from blue_wizard.jobs.audit import FIRST
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Plan, State, Step

PLAN = Plan("p", "toy", steps=(Step("a", "toy.make", {"name": "x"}, "a"),))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger of five events: the job's first, one of its state, and three notes."""
    monkeypatch.setenv("BLUE_WIZARD_STATE_DIR", str(tmp_path))
    ledger = Ledger()
    ledger.add({id(PLAN): "j"}, PLAN, State.QUEUED, locks=[])
    ledger.set_state("j", State.RUNNING)
    for i in range(3):
        ledger.event("j", "a", "effect", f"call {i}", {"n": i})
    return tmp_path / "ledger.db"


def _change(file: Path, sql: str) -> None:
    connection = sqlite3.connect(file)
    with connection:
        assert connection.execute(sql).rowcount == 1
    connection.close()


def test_an_untouched_ledger_is_whole_and_tells_its_newest_seal(file: Path) -> None:
    verdict = Ledger().audit()
    assert (verdict.events, verdict.older, verdict.faults) == (5, 0, ())
    assert len(verdict.head) == 64
    assert Ledger().audit(known=verdict.head).faults == ()


def test_an_empty_ledger_is_whole(tmp_path: Path) -> None:
    verdict = Ledger(f"sqlite:///{tmp_path}/new.db").audit()
    assert (verdict.events, verdict.head, verdict.faults) == (0, FIRST, ())


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("update events set message='call 9' where seq=4", "event 4"),
        ("update events set time=time+1 where seq=4", "event 4"),
        ("update events set data='{}' where seq=4", "event 4"),
        ("delete from events where seq=3", "event 4"),
        ("delete from events where seq=5", "at the end"),
        ("delete from seals where seq=4", "event 4"),
        ("insert into events select 6, job, step, time, kind, message, data from events where seq=5", "event 6"),
        ("update jobs set plan=replace(plan, '\"x\"', '\"y\"')", "plan of job j"),
        ("update jobs set digest='0'", "plan of job j"),
    ],
)
def test_each_change_shows(file: Path, sql: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    _change(file, sql)
    assert cli.main(["job", "audit", "verify", "-o", "json"]) == 1
    assert words in str(json.loads(capsys.readouterr().out)["faults"])


def test_a_ledger_that_was_sealed_anew_lacks_the_seal_that_was_noted(file: Path, tmp_path: Path) -> None:
    noted = Ledger().audit().head
    file.unlink()
    again = Ledger()
    again.event("j", "", "effect", "another story", {})
    assert again.audit().faults == ()
    (fault,) = again.audit(known=noted).faults
    assert noted in fault


def test_events_before_there_were_seals_are_counted_and_no_fault(file: Path) -> None:
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("drop table seals")
        connection.execute("drop table seal_head")
    connection.close()
    Ledger().event("j", "", "effect", "later", {})
    verdict = Ledger().audit()
    assert (verdict.events, verdict.older, verdict.faults) == (1, 5, ())


def test_writers_side_by_side_keep_one_chain(file: Path) -> None:
    def write(number: int) -> None:
        ledger = Ledger()
        for i in range(25):
            ledger.event("j", "", "note", f"{number}/{i}", {})

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(write, range(6)))
    verdict = Ledger().audit()
    assert (verdict.events, verdict.faults) == (155, ())
