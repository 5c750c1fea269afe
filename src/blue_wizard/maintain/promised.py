"""What other parts of the same campaign are doing just now: a plan that is made beside them has to know.

Two hosts that are emptied side by side would else give the same room away twice, bring two members of an anti-affinity group
to one host, which Nova's scheduler can't see while both are on their way, or send servers to each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Json, State, StepState
from blue_wizard.maintain import nested
from blue_wizard.maintain.model import Beside

__all__ = ["ENTER", "by_others", "moves"]

ENTER = "enter"
"""The id of the step that empties a campaign's host."""

_MOVE = {"nova.server.live-migrate": "move", "nova.server.cold-migrate": "cold"}
_WORKS = frozenset({State.RUNNING, State.PAUSED, State.ROLLING_BACK})


def moves(notes: Mapping[str, Json]) -> dict[str, str]:
    """Server to destination, of the plan that a step carries out within itself, for those that have not arrived (pure)."""
    plan: Any = nested.plan_in(notes)
    done = nested.done_in(notes)
    found = {}
    for step in plan["steps"] if plan else ():
        end, args = _MOVE.get(step["verb"], ""), step["args"]
        if end and args["dest"] and f"{end}.{args['server']}" not in done:
            found[args["server"]] = args["dest"]
    return found


def by_others(job: str) -> Beside:
    """What all parts beside a job do that are at work."""
    ledger = Ledger()
    parent = ledger.job(job)["parent"]
    found: dict[str, str] = {}
    closed = set()
    for row in ledger.jobs(parent=parent) if parent else ():
        if row["id"] == job or State(row["state"]) not in _WORKS:
            continue
        for step in ledger.steps(row["id"]):
            found |= moves(step["notes"] or {})
            # One that waits for its turn takes servers as before.
            if step["id"] == ENTER and step["state"] != StepState.PENDING:
                closed.add(str(row["target"]))
    return Beside(found, frozenset(closed))
