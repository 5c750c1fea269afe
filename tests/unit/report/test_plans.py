"""What a person reads of a plan before it runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from blue_wizard.jobs.model import Claim, Plan, Risk, Step
from blue_wizard.report.plans import plan_seconds, plan_tables


def _shown(plan: Plan) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        for part in plan_tables(plan, total=4, per_target=2):
            console.print(part)
    return capture.get()


def _part(number: int, target: str = "kvm1", seconds: float = 600) -> Plan:
    steps = (
        Step("a", "x.make", {}, f"make {number}", seconds=1),
        Step("b", "x.move", {}, "move", "it has to", Risk.HIGH, seconds - 1, "the old one is gone"),
    )
    return Plan(f"vm{number}", "toy", steps=steps, target=target)


def test_a_small_plan_is_told_step_by_step_with_place_and_time() -> None:
    claim = Claim("maintenance", "rack:r1", "host:cmp1")
    text = _shown(Plan("wave", "toy", children=(_part(1), _part(2, "kvm2")), claims=(claim,), window="night"))
    for words in ("vm1  @ kvm1", "vm2  @ kvm2", "it has to", "the old one is gone", "Takes about 10:00 in all"):
        assert words in text
    assert "host:cmp1 (rack:r1, maintenance, <= 1)" in text
    assert "window: night" in text


def test_of_many_parts_a_summary_comes_first_and_steps_are_told_once() -> None:
    text = _shown(Plan("wave", "toy", children=tuple(_part(i) for i in range(30))))
    assert "wave: 30 parts" in text
    assert text.count("the old one is gone") == 1
    assert all(f"vm{i} " in text for i in range(30))
    # 30 parts of 10 minutes, two at a time on one host.
    assert "Takes about 2:30:00 in all" in text


@pytest.mark.parametrize(
    ("targets", "seconds"),
    [("aaaa", 1200), ("abcd", 600), ("aabbccdd", 1200), ("a" * 8, 2400)],
)
def test_the_estimate_keeps_the_limits(targets: str, seconds: float) -> None:
    plan = Plan("w", "toy", children=tuple(_part(i, t) for i, t in enumerate(targets)))
    assert plan_seconds(plan, total=4, per_target=2) == seconds
    assert plan_seconds(_part(1)) == 600


def test_the_estimate_keeps_the_limits_of_a_kind_of_thing() -> None:
    parts = tuple(replace(_part(i, f"t{i}"), uses=("esxi-host:esx1", f"datastore:ds{i}")) for i in range(4))
    plan = Plan("w", "toy", children=parts)
    assert plan_seconds(plan, total=4, per_target=2, kinds={"esxi-host": 1}) == 4 * 600
    assert plan_seconds(plan, total=4, per_target=2, kinds={"datastore": 1}) == 600
