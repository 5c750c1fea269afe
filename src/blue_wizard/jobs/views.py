"""A job as one object, for people, reports and other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

from blue_wizard.jobs import actions
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Json, Plan, State, Step, StepState

__all__ = ["exit_code", "show"]

_APPROVAL = ("who", "origin", "time", "digest")
_GATE = ("job", "step", "question", "asked", "deadline", "otherwise", "answer", "who", "origin", "answered")
_CLAIM = ("kind", "domain", "member", "job", "keep", "since")
_EXIT = {
    State.PLANNED: 4,
    State.DONE: 0,
    State.ROLLED_BACK: 0,
    State.FAILED: 5,
    State.STUCK: 6,
    State.CANCELLED: 130,
}


def show(job: str, *, ledger: Ledger | None = None, report: bool = False) -> dict[str, Json]:
    """A job as one object: ``{job, title, operation, state, error, steps, children, gate, report, left ...}``.

    With `report` also what its operation reports, and everything else that the ledger knows of the whole job: ``approvals, gates,
    locks, claims, events`` (how many).
    """
    book = ledger or Ledger()
    root = book.job(job)["root"]
    rows, steps = book.tree(root)
    tree = _Tree(rows, steps, book.gates(root=root))
    view = tree.view(job)
    if report:
        view["approvals"] = [{k: a[k] for k in _APPROVAL} for a in book.approvals(root)]
        view["gates"] = [{k: g[k] for k in _GATE} for g in tree.gates]
        view["locks"] = book.locks(root)
        view["claims"] = [{k: c[k] for k in _CLAIM} for c in book.claims() if c["root"] == root]
        view["events"] = book.event_count(root)
        view["report"] = actions.report_of(view)
    return view


class _Tree:
    """A job with all below it, as it was read in one go."""

    def __init__(
        self,
        rows: Sequence[Mapping[str, Json]],
        steps: Mapping[str, Sequence[Mapping[str, Json]]],
        gates: Sequence[Mapping[str, Json]],
    ) -> None:
        self._rows = {row["id"]: row for row in rows}
        self._below: dict[str, list[str]] = {}
        for row in rows:
            self._below.setdefault(row["parent"] or "", []).append(row["id"])
        self._steps, self.gates = steps, gates

    def view(self, job: str) -> dict[str, Json]:
        row = self._rows[job]
        plan = _plan(row["plan"])
        steps = [_step_view(s, r) for s, r in zip(plan.steps, self._steps[job], strict=True)]
        children = [self.view(child) for child in self._below.get(job, ())]
        return {
            "job": job,
            "title": row["title"],
            "operation": row["operation"],
            "target": row["target"],
            "state": row["state"],
            "error": row["error"] or "",
            "reason": row["reason"] or "",
            "resumes": row["resumes"],
            "created": row["created"],
            "started": row["started"],
            "ended": row["ended"],
            "took_s": (row["ended"] - row["started"]) if row["ended"] and row["started"] else None,
            "digest": row["digest"],
            "window": plan.window,
            "params": dict(plan.params),
            "steps": steps,
            "children": children,
            "left": [{k: s[k] for k in ("title", "error", "by_hand")} for s in steps if s["state"] == StepState.LEFT]
            + [x for c in children for x in c["left"]],
            "gate": self._open_gate(row) or next((c["gate"] for c in children if c["gate"]), None),
            "report": None,
        }

    def _open_gate(self, row: Mapping[str, Json]) -> dict[str, Json] | None:
        if State(row["state"]).ended:
            return None
        keys = ("job", "step", "question", "asked", "deadline", "otherwise")
        still = [{k: g[k] for k in keys} for g in self.gates if g["job"] == row["id"] and g["answer"] is None]
        return still[0] if still else None


def _step_view(step: Step, row: Mapping[str, Json]) -> dict[str, Json]:
    return {
        "id": step.id,
        "verb": step.verb,
        "title": step.title,
        "args": dict(step.args),
        "seconds": step.seconds,
        "state": row["state"],
        "started": row["started"],
        "took_s": (row["ended"] - row["started"]) if row["ended"] and row["started"] else None,
        "outcome": row["outcome"],
        "progress": row["progress"],
        "error": row["error"],
        "by_hand": row["by_hand"] or "",
    }


@lru_cache(maxsize=1024)
def _plan(text: str) -> Plan:
    # A plan never changes, and whoever watches a job asks several times a second.
    return Plan.from_json(json.loads(text))


def exit_code(view: Mapping[str, Json]) -> int:
    """The exit code that a command gives for a job."""
    return _EXIT.get(State(view["state"]), 4)
