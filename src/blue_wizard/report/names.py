"""The names of states for people."""

from __future__ import annotations

from blue_wizard.jobs.model import Risk, StepState
from blue_wizard.text import _

__all__ = ["SIGNS", "risk_text", "state_text", "step_text"]

SIGNS = {
    StepState.PENDING: "·",
    StepState.RUNNING: "▶",
    StepState.DONE: "✓",
    StepState.FAILED: "✗",
    StepState.UNDOING: "↺",
    StepState.UNDONE: "↩",
    StepState.LEFT: "!",
}
"""One sign for each state of a step."""


def state_text(state: str) -> str:
    """The name of a job's state."""
    return {
        "planned": _("waits for approval"),
        "queued": _("queued"),
        "running": _("running"),
        "waiting": _("waits for an answer"),
        "paused": _("paused"),
        "rolling-back": _("rolling back"),
        "done": _("done"),
        "failed": _("failed, rolled back"),
        "cancelled": _("cancelled, rolled back"),
        "rolled-back": _("rolled back"),
        "stuck": _("failed, not rolled back fully"),
    }.get(state, state)


def step_text(state: str) -> str:
    """What a step does when it comes into a state."""
    return {
        "running": _("begins"),
        "done": _("done"),
        "failed": _("failed"),
        "undoing": _("is being undone"),
        "undone": _("undone"),
        "left": _("can't be undone"),
    }.get(state, state)


def risk_text(risk: Risk) -> str:
    """The name of a risk."""
    return {Risk.NONE: "-", Risk.LOW: _("low"), Risk.HIGH: _("high")}[risk]
