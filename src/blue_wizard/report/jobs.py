"""How jobs look on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from blue_wizard.jobs.model import StepState
from blue_wizard.report.lines import gate_lines, left_lines, progress_text, rest_lines
from blue_wizard.report.names import SIGNS, state_text
from blue_wizard.report.out import table
from blue_wizard.report.plans import plan_tables
from blue_wizard.report.story import events_text
from blue_wizard.report.watch import Watcher
from blue_wizard.text import _
from blue_wizard.units import clock_text, seconds_text

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


def jobs_table(jobs: Iterable[Mapping[str, Any]]) -> Table:
    """Jobs, one a line."""
    rows = [(j["id"], j["title"], state_text(j["state"]), clock_text(j["created"]), j["error"] or None) for j in jobs]
    return table((_("job"), _("what"), _("state"), _("made"), _("error")), rows)


def claims_table(claims: Iterable[Mapping[str, Any]]) -> Table:
    """Claims in failure domains, one a line."""
    rows = [(c["domain"], c["member"], c["kind"], c["job"], clock_text(c["since"])) for c in claims]
    return table((_("domain"), _("member"), _("for"), _("job"), _("since")), rows)


def job_tables(view: Mapping[str, Any], *, inner: bool = False) -> Iterable[RenderableType]:
    """A job with its steps and children."""
    from rich.text import Text

    job, state = view["job"], state_text(view["state"])
    rows = [
        (SIGNS[StepState(s["state"])], s["title"], seconds_text(s["took_s"]), progress_text(s) or s["error"] or None)
        for s in view["steps"]
    ]
    title = f"{job}  {view['title']}  [{state}]"
    yield table(("", _("step"), _("took"), _("note")), rows, title=title.replace("[", "\\["))
    if view["error"]:
        yield _("Error: {error}").format(error=view["error"])
    for child in view["children"]:
        # What is asked or left below, and why it rests, is told once, at the end.
        yield from job_tables({**child, "gate": None, "left": []}, inner=True)
    for one in view.get("approvals", ()):
        words = {"who": one["who"], "place": one["origin"], "time": clock_text(one["time"])}
        yield Text(_("Approved by {who} from {place} at {time}").format(**words))
    if not inner:
        yield from map(Text, rest_lines(view))
    if view["gate"]:
        yield Text("\n".join(gate_lines(view["gate"])))
    if view["left"]:
        yield Text("\n".join(left_lines(view["left"])))


def audit_text(verdict: Verdict) -> Iterable[str]:
    """What an audit of the ledger found."""
    yield _("{count} events are sealed.").format(count=verdict.events)
    if verdict.older:
        yield _("{count} events are older than the seals: nothing is known of them.").format(count=verdict.older)
    yield from (f"✗ {fault}" for fault in verdict.faults)
    if not verdict.faults:
        yield _("✓ Nothing was changed. The newest seal, to be noted elsewhere:")
        yield verdict.head
