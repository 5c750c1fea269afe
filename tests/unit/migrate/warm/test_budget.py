"""How long a cut-over would take, and when rounds are enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.warm.budget import Round, estimate
from blue_wizard.migrate.warm.converge import first_copy

from .fake import OBJECT, Running, Shelf

MIB = 1 << 20


def round_(
    at: float, seconds: float, moved: int, copy_s: float, compare_s: float = 0.0, kind: str = "changes"
) -> Round:
    return Round(kind, at, seconds, moved, copy_s, compare_s)


FULL = round_(0, 100, 1000 * MIB, 100, kind="full")


def test_nothing_is_known_before_the_second_round() -> None:
    assert estimate([FULL], "whole") is None


def test_what_was_written_meanwhile_is_what_is_left() -> None:
    # 200 MiB changed in 100 s; the round took 21 s, 20 of them to copy at 10 MiB/s.
    now = estimate([FULL, round_(100, 21, 200 * MIB, 20)], "changed")
    assert now is not None
    assert now.dirty_rate == 2 * MIB
    assert now.rate == 10 * MIB
    assert now.pending == 42 * MIB
    # One second around it, 4.2 s to copy and as many to read it back.
    assert now.seconds == pytest.approx(1 + 4.2 + 4.2)
    assert now.floor_s == pytest.approx(1)


def test_a_check_of_the_whole_is_as_long_as_it_was() -> None:
    rounds = [FULL, round_(100, 51, 200 * MIB, 20, 30), round_(151, 6, 102 * MIB, 5)]
    now = estimate(rounds, "whole")
    assert now is not None
    assert now.check_s == 30
    assert now.floor_s == pytest.approx(31)
    changed = estimate(rounds, "changed")
    assert changed is not None
    assert changed.seconds < 3


def test_a_disk_that_has_to_be_compared_never_gets_shorter() -> None:
    now = estimate([FULL, round_(100, 42, MIB, 1, 40, kind="compare")], "changed")
    assert now is not None
    assert now.floor_s == pytest.approx(41)


def _shelf(folder: Path) -> Shelf:
    source = Running({"vda": 8 * OBJECT})
    source.write("vda", 0, b"x" * 5 * OBJECT)
    return Shelf(source, folder)


def test_rounds_end_when_it_fits(tmp_path: Path) -> None:
    on = _shelf(tmp_path)
    now = first_copy(on.means(), budget_s=60, bound=10, check="whole", rest=lambda _s: None)
    assert now.seconds < 60
    # The first, and one that also compares all of it while the guest runs.
    assert [r["kind"] for r in on.state["rounds"]] == ["full", "changes"]
    assert on.state["rounds"][1]["compare_s"] > 0


def test_rounds_end_at_their_bound(tmp_path: Path) -> None:
    on = _shelf(tmp_path)
    clock = iter(range(10**6))
    means = on.means()
    # Every round seems to take a second, and the guest writes all the time.
    means.clock = lambda: next(clock)
    on.source.when_begun = lambda: on.source.write("vda", 0, b"y" * OBJECT)
    now = first_copy(means, budget_s=1e-9, bound=4, check="changed", rest=lambda _s: None)
    assert now.seconds > 1e-9
    assert len(on.state["rounds"]) <= 5


def test_a_round_that_fails_is_tried_again_and_carries_on(tmp_path: Path) -> None:
    on = _shelf(tmp_path)
    failures: list[Any] = [StepFailed("the host was away"), StepFailed("still")]
    rested: list[float] = []

    def hook(what: str) -> None:
        if what == "open" and failures:
            raise failures.pop()

    on.source.hook = hook
    first_copy(on.means(), budget_s=60, bound=3, check="whole", rest=rested.append)
    assert len(rested) == 2
    assert on.source.made == 2
    assert [t for t in on.told if "the host was away" in t]
    failures[:] = [StepFailed("gone")] * 9
    again = _shelf(tmp_path)
    again.source.hook = hook
    with pytest.raises(StepFailed, match="gone"):
        first_copy(again.means(), budget_s=60, bound=3, check="whole", rest=rested.append)
