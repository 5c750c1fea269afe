"""A plan that is made and carried out inside one step of another: what becomes of each of its steps is kept in that step's notes.

A campaign needs it: where a host's servers go can only be planned when its turn has come. The order of things is the
engine's: probe, do, verify, then write down; undo in reverse order. After a kill the plan is found in the notes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from blue_wizard.errors import BlueWizardError, StepFailed
from blue_wizard.jobs import actions
from blue_wizard.jobs.actions import Context
from blue_wizard.jobs.model import Json, Outcome, Plan, Step
from blue_wizard.text import _

__all__ = ["carry_out", "done_in", "made", "plan_in", "undo", "view_of"]

_PLAN, _DONE, _BEGUN = "plan", "done", "begun"


class _Inner:
    """The context of one step of the inner plan."""

    def __init__(self, outer: Context, step: str) -> None:
        self._outer, self._step = outer, step

    @property
    def job_id(self) -> str:
        return self._outer.job_id

    @property
    def step_id(self) -> str:
        return self._step

    def outcome(self, step_id: str) -> Outcome:
        found: Outcome = (self._outer.noted(_DONE) or {})[step_id]
        return found

    def answer(self) -> str | None:
        return None

    def note(self, key: str, value: Json) -> None:
        self._outer.note(f"{self._step}/{key}", value)

    def noted(self, key: str) -> Json:
        return self._outer.noted(f"{self._step}/{key}")

    def progress(self, done: float, total: float, *, unit: str = "B", note: str = "") -> None:
        self._outer.progress(done, total, unit=unit, note=note or self._step)

    def event(self, kind: str, message: str, **data: Json) -> None:
        self._outer.event(kind, message, **{"inner": self._step, **data})

    def check_stop(self) -> None:
        self._outer.check_stop()

    def hold(self, reason: str) -> None:
        self._outer.hold(reason)

    def pause_point(self, hold: Callable[[bool], None] | None = None) -> None:
        self._outer.pause_point(hold)


def made(ctx: Context, make: Callable[[], Plan]) -> Plan:
    """The plan that a killed worker had made, or else the one that `make` gives, written down."""
    plan = _plan(ctx)
    if plan is None:
        plan = make()
        ctx.note(_PLAN, plan.as_json())
        ctx.event("plan", plan.title, steps=[s.title for s in plan.steps])
    return plan


def plan_in(notes: Mapping[str, Json]) -> Json:
    """The plan, as JSON, in the notes of a step that carries out one; None where there is none."""
    return notes.get(_PLAN)


def done_in(notes: Mapping[str, Json]) -> Mapping[str, Json]:
    """The outcomes of those of its steps that are done, by their ids."""
    found: Mapping[str, Json] = notes.get(_DONE) or {}
    return found


def carry_out(ctx: Context, make: Callable[[], Plan]) -> Plan:
    """Carry out the plan that `make` gives, or what is left of the one that a killed worker had made; the plan.

    Raises what a step raises; nothing is undone by that.
    """
    plan = made(ctx, make)
    for number, step in enumerate(plan.steps):
        if step.id in (ctx.noted(_DONE) or {}):
            continue
        ctx.pause_point()
        ctx.progress(number, len(plan.steps), unit=_("steps"), note=step.title)
        ctx.note(_BEGUN, number + 1)
        outcome = _one(_Inner(ctx, step.id), step)
        ctx.note(_DONE, {**(ctx.noted(_DONE) or {}), step.id: dict(outcome)})
    return plan


def _one(inner: _Inner, step: Step) -> Outcome:
    action = actions.find(step.verb)
    outcome = action.probe(inner, step.args)
    if outcome is None:
        inner.check_stop()
        outcome = action.do(inner, step.args)
    action.verify(inner, step.args, outcome)
    return outcome


def undo(ctx: Context) -> None:
    """Undo every step that was begun, last first. Raises StepFailed naming those that could not be undone."""
    plan = _plan(ctx)
    left = []
    for step in reversed(plan.steps[: ctx.noted(_BEGUN) or 0] if plan else ()):
        outcome = (ctx.noted(_DONE) or {}).get(step.id)
        try:
            actions.find(step.verb).undo(_Inner(ctx, step.id), step.args, outcome)
        except BlueWizardError as e:
            left.append(f"{step.title}: {e.message}")
    if left:
        raise StepFailed(_("Not undone: {left}").format(left="; ".join(left)))


def _plan(ctx: Context) -> Plan | None:
    found = ctx.noted(_PLAN)
    return Plan.from_json(found) if found else None


def view_of(ctx: Context, plan: Plan) -> dict[str, Any]:
    """The inner plan as `jobs.views.show` would tell it, for those who read what a job has done."""
    done: Mapping[str, Json] = ctx.noted(_DONE) or {}
    steps = [
        {
            "id": s.id,
            "verb": s.verb,
            "args": dict(s.args),
            "state": "done" if s.id in done else "pending",
            "outcome": done.get(s.id),
            "error": "",
        }
        for s in plan.steps
    ]
    state = "done" if len(done) == len(plan.steps) else "running"
    return {"job": ctx.job_id, "state": state, "params": dict(plan.params), "steps": steps}
