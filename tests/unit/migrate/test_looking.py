"""Looks at many machines side by side: in order, with a source of its own for each that looks, and no look after an error."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import replace

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.migrate import looking
from blue_wizard.migrate.machine import Machine
from blue_wizard.migrate.source import Source

MACHINES = [replace(Machine.unknown(f"id{i}", f"vm{i}", ""), blockers=()) for i in range(8)]


class Door:
    """A source that tells when two threads are in it."""

    def __init__(self) -> None:
        self.inside = threading.Lock()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Door]:
    found: list[Door] = []

    def open_source(_url: str) -> Door:
        found.append(Door())
        return found[-1]

    monkeypatch.setattr(looking, "open_source", open_source)
    return found


def _look(source: Source, machine: Machine) -> str:
    door: threading.Lock = source.inside  # type: ignore[attr-defined]
    assert door.acquire(blocking=False), "two threads use one source"
    time.sleep(0.02)
    door.release()
    return machine.name


def test_the_answers_come_in_order_and_no_source_is_shared(opened: list[Door]) -> None:
    ended: Counter[str] = Counter()
    found = looking.at_each(
        Door(),
        "toy://",
        MACHINES,
        _look,
        at_once=4,
        ended=lambda m: ended.update([m.name]),  # type: ignore[arg-type]
    )
    assert found == [m.name for m in MACHINES]
    assert ended == Counter(found)
    assert 1 <= len(opened) <= 3


def test_a_single_machine_opens_no_other_source(opened: list[Door]) -> None:
    assert looking.at_each(Door(), "toy://", MACHINES[:1], _look, at_once=4) == ["vm0"]  # type: ignore[arg-type]
    assert looking.at_each(Door(), "toy://", [], _look, at_once=4) == []  # type: ignore[arg-type]
    assert opened == []


def test_nothing_is_begun_after_an_error(opened: list[Door]) -> None:
    looked = []
    raised = threading.Event()

    def look(_source: Source, machine: Machine) -> None:
        looked.append(machine.name)
        if machine.name == "vm1":
            raised.set()
            raise StepFailed("its host is gone")
        assert raised.wait(30)
        # The error is on its way out of the other thread.
        time.sleep(0.5)

    with pytest.raises(StepFailed, match="its host is gone"):
        looking.at_each(Door(), "toy://", MACHINES, look, at_once=2)  # type: ignore[arg-type]
    assert sorted(looked) == ["vm0", "vm1"]


def test_an_error_of_opening_another_source_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()
    looked = []

    def open_source(_url: str) -> Source:
        asked.set()
        raise StepFailed("no more sessions")

    def look(_source: Source, machine: Machine) -> None:
        looked.append(machine.name)
        assert asked.wait(30)
        time.sleep(0.5)

    monkeypatch.setattr(looking, "open_source", open_source)
    with pytest.raises(StepFailed, match="no more sessions"):
        looking.at_each(Door(), "toy://", MACHINES, look, at_once=2)  # type: ignore[arg-type]
    assert len(looked) < len(MACHINES)
