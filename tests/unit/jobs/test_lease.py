from __future__ import annotations

from typing import Any

import pytest

from blue_wizard.jobs.lease import BEAT_S, DEAD_S, Pulse, Watch


class Now:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def _row(name: str, beats: int) -> dict[str, Any]:
    return {"id": name, "beats": beats}


def test_whoever_beats_lives_and_whoever_stands_still_is_dead() -> None:
    now = Now()
    watch = Watch(now=now)
    found = []
    for beat in range(int(DEAD_S / BEAT_S) + 1):
        found.append(watch.dead([_row("live", beat), _row("still", 7)]))
        now.seconds += BEAT_S
    assert found == [[]] * (len(found) - 1) + [["still"]]


def test_a_newcomer_and_one_that_came_back_get_the_whole_time() -> None:
    now = Now()
    watch = Watch(now=now)
    watch.dead([_row("a", 1)])
    now.seconds += DEAD_S
    assert watch.dead([_row("a", 2), _row("b", 1)]) == []
    now.seconds += DEAD_S - 1
    assert watch.dead([_row("a", 2), _row("b", 1)]) == []
    assert watch.dead([]) == []


def test_a_worker_that_was_struck_off_ends_at_once() -> None:
    pulse = Pulse(lambda: False, lambda: None, shared=True)
    assert not pulse.once()


@pytest.mark.parametrize("shared", [True, False])
def test_without_a_database_only_one_that_is_alone_goes_on(shared: bool) -> None:
    now = Now()

    def fail() -> bool:
        raise ConnectionError

    pulse = Pulse(fail, lambda: None, shared=shared, now=now)
    assert pulse.once()
    now.seconds += DEAD_S - BEAT_S
    assert pulse.once() is not shared
    assert pulse.fresh() is not shared
