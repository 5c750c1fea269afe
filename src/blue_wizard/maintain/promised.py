"""Where servers will be that other parts of the same campaign are moving just now: a plan made beside them has to know.

Two hosts that are emptied side by side would else give the same room away twice, and bring two members of an anti-affinity
group to one host, which Nova's scheduler can't see while both are on their way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Json, State
from blue_wizard.maintain import nested

__all__ = ["by_others", "moves"]

_MOVE = frozenset({"nova.server.live-migrate", "nova.server.cold-migrate"})


def moves(notes: Mapping[str, Json]) -> dict[str, str]:
    """Server to destination, of the plan that a step carries out within itself (pure)."""
    plan: Any = nested.plan_in(notes)
    steps = plan["steps"] if plan else ()
    return {s["args"]["server"]: s["args"]["dest"] for s in steps if s["verb"] in _MOVE and s["args"]["dest"]}


def by_others(job: str) -> dict[str, str]:
    """The same of all parts beside a job that run or are rolled back."""
    ledger = Ledger()
    parent = ledger.job(job)["parent"]
    found: dict[str, str] = {}
    for row in ledger.jobs(parent=parent) if parent else ():
        if row["id"] == job or State(row["state"]) not in {State.RUNNING, State.PAUSED, State.ROLLING_BACK}:
            continue
        for step in ledger.steps(row["id"]):
            found |= moves(step["notes"] or {})
    return found
