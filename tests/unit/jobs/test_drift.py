from __future__ import annotations

from dataclasses import replace

import pytest

from blue_wizard.errors import Refused
from blue_wizard.jobs.drift import changes, refuse_drift
from blue_wizard.jobs.model import Claim, Plan, Step

A = Step("a", "toy.make", {"sizes": (1, 2), "net": "red"}, "make a", locks=("x:1",))
B = Step("b", "toy.make", {}, "make b")
PLAN = Plan("p", "toy", steps=(A, B))


@pytest.mark.parametrize(
    ("now", "lines"),
    [
        (replace(PLAN, steps=(A,)), ["- p/b: make b"]),
        (replace(PLAN, steps=(A, B, replace(B, id="c"))), ["+ p/c: make b"]),
        (replace(PLAN, steps=(replace(A, args={"sizes": [1, 2], "net": "blue"}), B)), ["~ p/a: net: 'red' -> 'blue'"]),
        (replace(PLAN, steps=(replace(A, locks=("x:2",)), B)), ["~ p/a: locks: x:1 -> x:2"]),
        (replace(PLAN, steps=(A, replace(B, verb="toy.other"))), ["~ p/b: toy.make -> toy.other"]),
        (replace(PLAN, uses=("datastore:d1",)), ["~ p: uses: - -> datastore:d1"]),
        (replace(PLAN, window="night"), ["~ p: window: - -> night"]),
        (
            replace(PLAN, claims=(Claim("maintenance", "rack:r1", "host:a"),)),
            ["~ p: claims: - -> host:a (rack:r1, maintenance, <= 1)"],
        ),
    ],
)
def test_each_kind_of_change_is_told(now: Plan, lines: list[str]) -> None:
    assert changes(PLAN, now) == lines
    with pytest.raises(Refused) as error:
        refuse_drift(PLAN, now)
    assert lines[0] in error.value.message


def test_another_order_is_a_change_too() -> None:
    assert len(changes(PLAN, replace(PLAN, steps=(B, A)))) == 1


def test_a_plan_out_of_the_ledger_is_the_same() -> None:
    again = Plan.from_json(PLAN.as_json())
    assert changes(PLAN, again) == []
    refuse_drift(PLAN, again)
