"""Lines about a job that several views share: its question, its rest, its progress, what it leaves, and who answers in the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from blue_wizard.jobs.model import State, StepState
from blue_wizard.text import _
from blue_wizard.units import bytes_text, clock_text, seconds_text

__all__ = ["gate_lines", "left_lines", "looked_at", "progress_text", "rest_lines"]


def rest_lines(view: Mapping[str, Any]) -> Iterable[str]:
    """Why a job, or some of its parts, rest, and how they go on."""
    resting = [p for p in _flat(view) if p["state"] == State.PAUSED]
    alone = sorted((p for p in resting if p["resumes"]), key=lambda p: float(p["resumes"]))
    reason = view["reason"] or next((p["reason"] for p in [*alone, *resting] if p["reason"]), "")
    if reason:
        yield _("Paused: {reason}").format(reason=reason)
    if alone:
        text = _("It goes on by itself at {time}. Stop it: blue-wizard job cancel {job}")
        yield text.format(time=clock_text(alone[0]["resumes"]), job=view["job"])
    if any(p["resumes"] is None for p in resting):
        yield _("Carry on: blue-wizard job resume {job} · Undo: blue-wizard job rollback {job}").format(job=view["job"])


def _flat(view: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    yield view
    for child in view["children"]:
        yield from _flat(child)


def gate_lines(gate: Mapping[str, Any]) -> Iterable[str]:
    """A question that a job waits with, how to answer it, and what counts without an answer."""
    yield f"? {gate['question']}"
    yield _("  Answer: blue-wizard job answer {job} yes|no").format(job=gate["job"])
    if gate["deadline"]:
        text = _("  Without an answer until {time}: {otherwise}")
        yield text.format(time=clock_text(gate["deadline"]), otherwise=gate["otherwise"])


def left_lines(left: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """What could not be undone, with the command that would do it by hand where one is known."""
    yield _("What is left and has to be undone by hand:")
    for one in left:
        yield f"  - {one['title']}: {one['error']}"
        if one["by_hand"]:
            yield f"      {one['by_hand']}"


def progress_text(step: Mapping[str, Any]) -> str:
    """How far a running step has come: share, rate, time left."""
    progress = step.get("progress")
    if not progress or step["state"] != StepState.RUNNING or not progress["total"]:
        return ""
    share = 100 * progress["done"] / progress["total"]
    if progress["unit"] == "B":
        figures = f"{bytes_text(progress['done'])} / {bytes_text(progress['total'])}, {bytes_text(progress['rate'])}/s"
    else:
        figures = f"{progress['done']:.0f} / {progress['total']:.0f} {progress['unit']}"
    left = _(", {left} left").format(left=seconds_text(progress["left_s"])) if progress["left_s"] else ""
    return f"{progress['note']} {share:.0f} % ({figures}{left})".strip()


def looked_at(vm: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The addresses of a migrated server and the services that were asked for, each with what came of a look at it, or ""."""
    # Reports of jobs of older versions have no services.
    services = vm.get("services", {}).items()
    return [*((a, vm["answers"].get(a, "")) for a in vm["addresses"]), *((f"tcp/{p}", word) for p, word in services)]
