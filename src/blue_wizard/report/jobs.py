"""How plans and jobs look on a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from blue_wizard.jobs.model import Plan, Risk, State, StepState
from blue_wizard.report.out import bytes_text, clock_text, errors, seconds_text, table
from blue_wizard.text import _

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from blue_wizard.jobs.audit import Verdict

__all__ = [
    "Watcher",
    "audit_text",
    "claims_table",
    "events_text",
    "gate_lines",
    "job_tables",
    "jobs_table",
    "left_lines",
    "plan_tables",
]

_SIGNS = {
    StepState.PENDING: "·",
    StepState.RUNNING: "▶",
    StepState.DONE: "✓",
    StepState.FAILED: "✗",
    StepState.UNDOING: "↺",
    StepState.UNDONE: "↩",
    StepState.LEFT: "!",
}


def plan_tables(plan: Plan) -> Iterable[RenderableType]:
    """A plan as a person reads it: what, where, why, how long, what can't be undone, what stands in the way."""
    from rich.text import Text

    for one in plan.walk():
        if one.steps:
            rows = [
                (i, s.title, s.why or None, _risk(s.risk), seconds_text(s.seconds), s.irreversible or None)
                for i, s in enumerate(one.steps, start=1)
            ]
            columns = ("#", _("step"), _("why"), _("risk"), _("about"), _("can't be undone"))
            yield table(columns, rows, title=one.title)
            for i, s in enumerate(one.steps, start=1):
                if s.gate:
                    yield Text(_("Before step {number} it asks: {question}").format(number=i, question=s.gate.question))
    checks = [p for one in plan.walk() for p in one.preconditions]
    if checks:
        rows2 = [("✓" if p.holds else "✗", p.title, p.detail or None) for p in checks]
        yield table(("", _("precondition"), _("found")), rows2)
    if plan.invariant:
        yield _("Kept at all times: {invariant}").format(invariant=plan.invariant.title)
    yield _("Digest: {digest}").format(digest=plan.digest[:16])


def _risk(risk: Risk) -> str:
    return {Risk.NONE: "-", Risk.LOW: _("low"), Risk.HIGH: _("high")}[risk]


def jobs_table(jobs: Iterable[Mapping[str, Any]]) -> Table:
    """Jobs, one a line."""
    rows = [(j["id"], j["title"], state_text(j["state"]), _clock(j["created"]), j["error"] or None) for j in jobs]
    return table((_("job"), _("what"), _("state"), _("made"), _("error")), rows)


def claims_table(claims: Iterable[Mapping[str, Any]]) -> Table:
    """Claims in failure domains, one a line."""
    rows = [(c["domain"], c["member"], c["kind"], c["job"], clock_text(c["since"])) for c in claims]
    return table((_("domain"), _("member"), _("for"), _("job"), _("since")), rows)


def state_text(state: str) -> str:
    """The name of a job's state for people."""
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


def _clock(seconds: float | None) -> str:
    return time.strftime("%m-%d %H:%M:%S", time.localtime(seconds)) if seconds else "-"


def job_tables(view: Mapping[str, Any]) -> Iterable[RenderableType]:
    """A job with its steps and children."""
    from rich.text import Text

    job, state = view["job"], state_text(view["state"])
    rows = [
        (_SIGNS[StepState(s["state"])], s["title"], seconds_text(s["took_s"]), progress_text(s) or s["error"] or None)
        for s in view["steps"]
    ]
    title = f"{job}  {view['title']}  [{state}]"
    yield table(("", _("step"), _("took"), _("note")), rows, title=title.replace("[", "\\["))
    if view["error"]:
        yield _("Error: {error}").format(error=view["error"])
    for child in view["children"]:
        # What is asked or left below is told once, at the end.
        yield from job_tables({**child, "gate": None, "left": []})
    if view["reason"]:
        yield Text(_("Paused: {reason}").format(reason=view["reason"]))
    if view["state"] == State.PAUSED:
        yield Text(_("Carry on: blue-wizard job resume {job} · Undo: blue-wizard job rollback {job}").format(job=job))
    if view["gate"]:
        yield Text("\n".join(gate_lines(view["gate"])))
    if view["left"]:
        yield Text("\n".join(left_lines(view["left"])))


def gate_lines(gate: Mapping[str, Any]) -> Iterable[str]:
    """A question that a job waits with, how to answer it, and what counts without an answer."""
    yield f"? {gate['question']}"
    yield _("  Answer: blue-wizard job answer {job} yes|no").format(job=gate["job"])
    if gate["deadline"]:
        text = _("  Without an answer until {time}: {otherwise}")
        yield text.format(time=_clock(gate["deadline"]), otherwise=gate["otherwise"])


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


def events_text(events: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Events as a story, one a line."""
    for e in events:
        data = " ".join(f"{k}={v}" for k, v in e["data"].items())
        yield f"{_clock(e['time'])}  {e['job']:<11} {e['step']:<18} {e['kind']:<9} {e['message']} {data}".rstrip()


def audit_text(verdict: Verdict) -> Iterable[str]:
    """What an audit of the ledger found."""
    yield _("{count} events are sealed.").format(count=verdict.events)
    if verdict.older:
        yield _("{count} events are older than the seals: nothing is known of them.").format(count=verdict.older)
    yield from (f"✗ {fault}" for fault in verdict.faults)
    if not verdict.faults:
        yield _("✓ Nothing was changed. The newest seal, to be noted elsewhere:")
        yield verdict.head


class Watcher:
    """Shows a job while it runs: a live view on a terminal, plain lines elsewhere. Use it as a context manager."""

    def __init__(self) -> None:
        from rich.live import Live

        self._console = errors()
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)
        self._said: dict[str, str] = {}

    def __enter__(self) -> Watcher:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_rest: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    @property
    def live(self) -> bool:
        """True when a person watches a view that moves."""
        return bool(self._console.is_terminal)

    def __call__(self, view: Mapping[str, Any]) -> None:
        """Take a new view of the job."""
        if self._console.is_terminal:
            from rich.console import Group

            self._live.update(Group(*job_tables(view)))
            return
        self._tell_gate(view["gate"])
        for job in _flat(view):
            for step in job["steps"]:
                key = f"{job['job']}/{step['id']}"
                # A running transfer speaks at every tenth, everything else at each change of state.
                progress = step.get("progress") or {}
                tenth = int(10 * progress["done"] / progress["total"]) if progress.get("total") else 0
                text = f"{step['state']}/{progress.get('note', '')}{tenth if step['state'] == 'running' else ''}"
                if step["state"] != StepState.PENDING and self._said.get(key) != text:
                    self._said[key] = text
                    note = progress_text(step) or step["error"] or ""
                    sign = _SIGNS[StepState(step["state"])]
                    self._console.print(f"{job['title']}: {sign} {step['title']} {note}".rstrip(), markup=False)

    def _tell_gate(self, gate: Mapping[str, Any] | None) -> None:
        if gate and self._said.get(f"{gate['job']}/gate") != gate["step"]:
            self._said[f"{gate['job']}/gate"] = gate["step"]
            self._console.print("\n".join(gate_lines(gate)), markup=False)


def _flat(view: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    yield view
    for child in view["children"]:
        yield from _flat(child)
