from __future__ import annotations

import json
from dataclasses import replace

from blue_wizard.jobs.model import Claim, Gate, Plan, Precondition, Risk, State, Step

STEP = Step(
    "a", "toy.make", {"name": "x", "deep": {"list": [1, None]}}, "make x", "why", Risk.HIGH, 3, "gone", ("l:1",)
)
PLAN = Plan(
    "title", "toy", {"p": 1}, (STEP,), (Plan("kid", "toy", steps=(STEP,), target="t"),), (Precondition("c", True),)
)
DIGEST = "6d9a17e3c198c4eb22fb3e3d253a2e69708002d7ff7ac18018b9c3bba935eb97"


def test_json_there_and_back() -> None:
    assert Plan.from_json(json.loads(json.dumps(PLAN.as_json()))) == PLAN


def test_digest_is_of_what_is_done_and_not_of_how_it_is_told() -> None:
    retold = replace(PLAN, title="other", steps=(replace(STEP, title="other words", seconds=99, why=""),))
    assert retold.digest == PLAN.digest
    for changed in (
        replace(PLAN, steps=(replace(STEP, args={"name": "y"}),)),
        replace(PLAN, steps=(replace(STEP, verb="toy.other"),)),
        replace(PLAN, steps=(replace(STEP, gate=Gate("sure?")),)),
        replace(PLAN, steps=()),
        replace(PLAN, children=()),
        replace(PLAN, uses=("datastore:d1",)),
        replace(PLAN, claims=(Claim("maintenance", "rack:r1", "host:a"),)),
        replace(PLAN, releases=(Claim("maintenance", "rack:r1", "host:a"),)),
        replace(PLAN, window="night"),
        replace(PLAN, children=(replace(PLAN.children[0], target="u"),)),
    ):
        assert changed.digest != PLAN.digest


def test_a_plan_of_an_older_version_is_read_and_keeps_its_digest() -> None:
    data = PLAN.as_json()
    for one in (data, *data["children"]):
        for name in ("uses", "claims", "releases", "window", "second_person"):
            del one[name]
    assert Plan.from_json(data) == PLAN
    # What an approval was bound to before plans could name any of these.
    assert PLAN.digest == DIGEST


def test_claims_survive_json() -> None:
    claim = Claim("maintenance", "rack:r1", "host:a", 2, keep=True)
    plan = replace(PLAN, uses=("datastore:d1",), claims=(claim,), releases=(claim,), window="night")
    assert Plan.from_json(json.loads(json.dumps(plan.as_json()))) == plan


def test_only_settled_states_have_ended() -> None:
    live = {State.PLANNED, State.QUEUED, State.RUNNING, State.WAITING, State.PAUSED, State.ROLLING_BACK}
    assert {s for s in State if not s.ended} == live
