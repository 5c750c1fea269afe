"""How often a step asks while it waits."""

from __future__ import annotations

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.jobs import polling


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(polling, "time", clock)
    return clock


def test_it_asks_soon_at_first_and_seldom_later(clock: Clock) -> None:
    with pytest.raises(StepFailed, match="600 s in vain for the end"):
        polling.poll(lambda: None, "the end", timeout_s=600)
    assert clock.slept[0] == 0.5
    assert clock.slept == sorted(clock.slept)
    assert clock.slept[-1] == 2.0
    assert len(clock.slept) < 350


def test_an_answer_ends_it(clock: Clock) -> None:
    answers = iter([None, None, "yes"])
    assert polling.poll(lambda: next(answers), "an answer", timeout_s=5) == "yes"
    assert clock.slept == [0.5, 0.5]
