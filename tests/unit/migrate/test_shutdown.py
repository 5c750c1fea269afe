from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from blue_wizard.errors import StepFailed, Stopped
from blue_wizard.migrate import shutdown
from blue_wizard.migrate.machine import Power


class World:
    """A guest that is off after so many seconds of a clock that only sleeping moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, off_after: float) -> None:
        self.now, self.off_after, self.asked = 5.0, 5.0 + off_after, list[float]()
        clock = SimpleNamespace(monotonic=lambda: self.now, sleep=self._sleep)
        monkeypatch.setattr(shutdown, "time", clock)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def shut_down(self, check_stop: Callable[[], None] = lambda: None) -> None:
        shutdown.shut_down(
            "web",
            power=lambda: Power.OFF if self.now >= self.off_after else Power.ON,
            ask=lambda: self.asked.append(self.now - 5.0),
            timeout_s=60,
            check_stop=check_stop,
        )


def test_it_asks_at_once_and_again_until_the_guest_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, off_after=45)
    world.shut_down()
    assert world.asked == [0.0, 20.5, 41.0]


def test_a_guest_that_is_off_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, off_after=0)
    world.shut_down()
    assert world.asked == []


def test_a_guest_that_stays_on_is_left_on(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, off_after=1000)
    with pytest.raises(StepFailed, match="web did not shut down in 60 s"):
        world.shut_down()


def test_a_person_can_stop_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        raise Stopped("stop")

    with pytest.raises(Stopped):
        World(monkeypatch, off_after=1000).shut_down(stop)
