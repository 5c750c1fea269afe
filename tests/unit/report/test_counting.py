"""How far a command has come with many objects: a bar on a terminal, few lines in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from blue_wizard.report import counting


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(counting.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_few_lines(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with counting.counting("looks", 5) as count:
        for name, at in (("a", 100.1), ("b", 102.5), ("c", 102.6), ("d", 104.4), ("e[1]", 105.0)):
            clock[0] = at
            count(name)
    assert capsys.readouterr().err.splitlines() == ["looks: 2 of 5, b", "looks: 5 of 5, e[1]"]


def test_a_terminal_shows_how_many_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(counting, "errors", lambda: Console(file=screen, force_terminal=True, width=80))
    with counting.counting("looks", 2) as count:
        count("a")
        count("b")
    assert "looks" in screen.getvalue()
    assert "2/2" in screen.getvalue()


def test_nothing_to_do_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(counting, "errors", lambda: Console(file=screen, force_terminal=True, width=80))
    with counting.counting("looks", 0):
        pass
    assert screen.getvalue() == ""
