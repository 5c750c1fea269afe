"""The order of steps: one after another, and in lanes."""

from __future__ import annotations

from dataclasses import replace

from blue_wizard.jobs.lanes import blocks, seconds
from blue_wizard.jobs.model import Plan, Step

STEPS = [
    Step("a", "v", {}, "a", seconds=1),
    Step("x1", "v", {}, "x1", seconds=10, lane="x"),
    Step("y1", "v", {}, "y1", seconds=4, lane="y"),
    Step("x2", "v", {}, "x2", seconds=20, lane="x"),
    Step("b", "v", {}, "b"),
    Step("z", "v", {}, "z", seconds=5, lane="z"),
]


def test_lanes_that_follow_one_another_are_one_block() -> None:
    assert blocks(STEPS) == [[[0]], [[1, 3], [2]], [[4]], [[5]]]
    assert blocks([]) == []


def test_the_longest_lane_counts() -> None:
    assert seconds(STEPS) == 1 + 30 + 0 + 5
    assert seconds([replace(s, lane="") for s in STEPS]) == 1 + 10 + 4 + 20 + 5


def test_a_plan_with_lanes_is_another_plan_and_survives_its_storage() -> None:
    laned, plain = Plan("p", "o", steps=tuple(STEPS)), Plan("p", "o", steps=tuple(replace(s, lane="") for s in STEPS))
    assert laned.digest != plain.digest
    assert Plan.from_json(laned.as_json()) == laned
    old = plain.as_json()
    for step in old["steps"]:
        del step["lane"]
    assert Plan.from_json(old).digest == plain.digest
