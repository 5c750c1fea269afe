from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from blue_wizard.errors import InputError
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Plan, State

PLAN = Plan("p", "toy")


def _break(tmp_path: Path, sql: str) -> None:
    with sqlite3.connect(tmp_path / "ledger.db") as db:
        db.execute(sql)


def test_whoever_is_patient_tries_until_it_works(tmp_path: Path) -> None:
    words: list[str] = []

    def mend(error: str) -> None:
        words.append(error)
        if len(words) == 2:
            _break(tmp_path, "ALTER TABLE hidden RENAME TO jobs")

    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db", patience=mend)
    ledger.add({id(PLAN): "j"}, PLAN, State.QUEUED, locks=[])
    _break(tmp_path, "ALTER TABLE jobs RENAME TO hidden")
    ledger.set_state("j", State.RUNNING)
    assert len(words) == 2
    assert "no such table" in words[0]
    assert [e["message"] for e in ledger.events(["j"])] == ["queued", "running"]


def test_whoever_is_not_is_told(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    _break(tmp_path, "ALTER TABLE jobs RENAME TO hidden")
    with pytest.raises(InputError, match="no such table"):
        ledger.jobs()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(InputError, match=r"ledger\.db"):
        Ledger(f"sqlite:///{tmp_path}/ledger.db")
