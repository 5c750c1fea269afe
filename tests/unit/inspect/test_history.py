"""What is new, what is gone, what comes and goes; and waivers."""

from __future__ import annotations

from pathlib import Path

import pytest

from blue_wizard.errors import InputError
from blue_wizard.inspect.history import Gone, History, Key, Past

A: Key = ("nova.server-error", "a", "cmp1")
B: Key = ("nova.server-error", "b", "")
HOUR = 3600.0


class _Book:
    def __init__(self, file: Path) -> None:
        self.history = History(file)

    def run(
        self, at: float, *keys: Key, looked: tuple[str, ...] = ("nova.server-error",), cloud: str = "c"
    ) -> tuple[dict[Key, Past], list[Gone]]:
        return self.history.record(
            cloud,
            "quick",
            started=at,
            took_s=1,
            score=99,
            coverage=100,
            looked=looked,
            findings=[(k, "warning", "m") for k in keys],
        )


@pytest.fixture
def book(tmp_path: Path) -> _Book:
    return _Book(tmp_path / "state" / "inspections.db")


def test_new_known_and_gone(book: _Book) -> None:
    past, gone = book.run(100, A)
    assert past[A] == Past(100, False, False), "at the first inspection nothing is new"
    past, gone = book.run(200, A, B)
    assert (past[A], past[B], gone) == (Past(100, False, False), Past(200, True, False), [])
    past, gone = book.run(300, B)
    assert past[B] == Past(200, False, False)
    assert gone == [Gone(*A, "warning", "m", 100)]
    past, gone = book.run(400, A, B)
    assert past[A] == Past(400, True, False)
    assert gone == []


def test_not_having_looked_is_no_recovery(book: _Book) -> None:
    book.run(100, A)
    assert book.run(200, looked=())[1] == []
    past, gone = book.run(300, A)
    assert (past[A].first_seen, past[A].new, gone) == (100, False, [])


def test_what_comes_and_goes(book: _Book) -> None:
    for i in range(3):
        past, _gone = book.run(1000 + i * 200, A)
        book.run(1100 + i * 200)
    assert past[A].flapping
    past, _gone = book.run(1000 + 30 * HOUR, A)
    assert not past[A].flapping, "that was days ago"


def test_clouds_are_apart_and_runs_are_kept(book: _Book) -> None:
    book.run(100, A)
    past, gone = book.run(200, B, cloud="other")
    assert (past[B].new, gone) == (False, [])
    assert [r[0] for r in book.history.runs("c")] == [100]


def test_waivers(book: _Book) -> None:
    made = book.history.waive("nova.*", "a", "known", "me", now=100, until=200)
    assert [w.id for w in book.history.waivers(150)] == [made.id]
    assert made.covers(A)
    assert not made.covers(B)
    by_host = book.history.waive("nova.server-error", "cmp*", "new hosts", "me", now=100, until=300)
    assert by_host.covers(A)
    assert not by_host.covers(B)
    assert [w.id for w in book.history.waivers(250)] == [by_host.id], "a waiver ends on its day"
    book.history.unwaive(by_host.id, 260)
    assert book.history.waivers(270) == []
    with pytest.raises(InputError, match=by_host.id):
        book.history.unwaive(by_host.id, 270)


@pytest.mark.parametrize(("reason", "until"), [(" ", 200.0), ("why", 100.0)])
def test_a_waiver_needs_a_reason_and_an_end(book: _Book, reason: str, until: float) -> None:
    with pytest.raises(InputError):
        book.history.waive("nova.*", "*", reason, "me", now=100, until=until)


def test_a_history_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"inspections\.db"):
        History(tmp_path / "file" / "inspections.db")
    (tmp_path / "no.db").write_text("this is no database, whatever its name says, and it is long enough to tell" * 20)
    with pytest.raises(InputError, match=r"no\.db"):
        History(tmp_path / "no.db")
