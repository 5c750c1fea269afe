"""Whether a server is heard at its new place: what was asked before it came there does not count."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from blue_wizard.facts.pings import Pings
from blue_wizard.maintain import probes
from blue_wizard.maintain.probes import Target, Watch

ANSWERED, SILENT = Pings(10, 0, (1.0, 2.0)), Pings(10, 10)
TARGET = Target("net1", "qdhcp-n", "10.0.0.5")


class Rounds:
    """Rounds of pings that end when the test says so, each with what it says."""

    def __init__(self) -> None:
        self.begun, self._go = threading.Semaphore(0), threading.Semaphore(0)
        self._found: list[Pings | None] = []

    def round(self, _target: Target, count: int) -> Pings | None:
        if count == probes._FIRST:
            return ANSWERED
        self.begun.release()
        self._go.acquire()
        return self._found.pop(0) if self._found else SILENT

    def end(self, found: Pings | None) -> None:
        """Wait until a round is under way, let it find this, and wait until the next one is under way."""
        self._found.append(found)
        self._go.release()
        assert self.begun.acquire(timeout=5)

    def over(self) -> None:
        self._go.release(100)


@pytest.fixture
def watching(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Watch, Rounds]]:
    rounds = Rounds()
    monkeypatch.setattr(probes, "_round", rounds.round)
    watch = Watch([TARGET])
    watch.start()
    assert rounds.begun.acquire(timeout=5)
    yield watch, rounds
    watch._end.set()
    rounds.over()
    watch.stop()


@pytest.mark.failure("b11")
def test_a_round_that_was_under_way_tells_nothing_of_the_new_place(
    watching: tuple[Watch, Rounds],
) -> None:
    watch, rounds = watching
    watch.listen_anew()
    rounds.end(ANSWERED)
    assert not watch.heard_anew()
    rounds.end(SILENT)
    assert not watch.heard_anew()
    rounds.end(Pings(10, 9, (1.0,)))
    assert watch.heard_anew()
    watch.listen_anew()
    assert not watch.heard_anew()


def test_where_nobody_could_look_nothing_was_silent(
    watching: tuple[Watch, Rounds], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, rounds = watching
    monkeypatch.setattr(watch._end, "wait", lambda _s: False)
    watch.listen_anew()
    rounds.end(SILENT)
    rounds.end(None)
    assert watch.heard_anew()


def test_who_never_answered_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_round", lambda _t, _c: SILENT)
    watch = Watch([TARGET])
    watch.start()
    watch.listen_anew()
    assert watch.heard_anew()
    assert watch.stop() == {"10.0.0.5": {"sent": 0, "lost": 0, "silence": 0.0}}
