"""The evidence report of a job: one HTML file that needs nothing else, or JSON. The model is `jobs.evidence`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blue_wizard import text
from blue_wizard.errors import InputError
from blue_wizard.jobs.model import Risk, State
from blue_wizard.report.names import risk_text, state_text, step_text
from blue_wizard.report.out import plain
from blue_wizard.report.story import events_text
from blue_wizard.text import _
from blue_wizard.units import clock_text, seconds_text

__all__ = ["as_html", "write"]

_TEMPLATE = "job.html.j2"


def write(evidence: Mapping[str, Any], file: Path) -> None:
    """Write the report; the file's suffix says which. Raises InputError when it can't be written, or has another suffix."""
    if file.suffix not in {".html", ".json"}:
        raise InputError(
            _("{file} is neither .html nor .json.").format(file=file), _("The name of the file says what is written.")
        )
    made = (
        as_html(evidence)
        if file.suffix == ".html"
        else json.dumps(plain(evidence), ensure_ascii=False, indent=2) + "\n"
    )
    try:
        file.write_text(made)
    except OSError as e:
        raise InputError(_("{file} can't be written: {error}").format(file=file, error=e.strerror)) from e


def as_html(evidence: Mapping[str, Any]) -> str:
    """The report as one HTML page in the language in force. Everything that came from outside is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("blue_wizard", "report/templates")
    page = Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template(_TEMPLATE)
    calls: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for call in evidence["calls"]:
        calls.setdefault((call["job"], call["step"]), []).append(call)
    titles = {tuple(key.split("/", 1)): title for key, title in evidence["titles"].items()}
    return page.render(
        job=evidence,
        t=_labels(),
        lang="zh-CN" if text.current() == "zh" else "en",
        story=list(events_text(evidence["events"], titles)),
        calls=lambda job, step: calls.get((job, step), []),
        clock=clock_text,
        zone=time.strftime("%Z (UTC%z)"),
        seconds=seconds_text,
        state=state_text,
        step=step_text,
        risk=lambda name: risk_text(Risk(name)),
        tone=_tone,
        json=lambda value: json.dumps(value, ensure_ascii=False, indent=1),
    )


def _tone(state: str) -> str:
    if state in {State.DONE, State.ROLLED_BACK}:
        return "good"
    return "bad" if State(state).ended else "wait"


def _labels() -> dict[str, str]:
    return {
        "answer": _("answer"),
        "approvals": _("Approvals"),
        "began": _("began"),
        "claims": _("Claims in failure domains"),
        "domain": _("domain"),
        "member": _("member"),
        "purpose": _("for"),
        "zone": _("all times in"),
        "broken": _("The ledger is not what was written:"),
        "by_hand": _("by hand"),
        "calls": _("calls"),
        "conditions": _("What had to hold"),
        "data": _("arguments and outcome"),
        "digest": _("digest"),
        "error": _("error"),
        "events": _("events"),
        "hashes": _("Verified contents"),
        "head": _("newest seal of the ledger"),
        "irreversible": _("can't be undone"),
        "job": _("job"),
        "kept": _("kept at all times"),
        "left": _("Left, and to be undone by hand"),
        "none": _("none"),
        "of_job": _("seal of this job's newest event"),
        "place": _("from"),
        "question": _("question"),
        "questions": _("Questions and answers"),
        "risk": _("risk"),
        "seal": _("Seal"),
        "sealed": _("Nothing in the ledger was changed since it was written."),
        "state": _("state"),
        "step": _("step"),
        "steps": _("Steps"),
        "story": _("Story"),
        "time": _("time"),
        "took": _("took"),
        "who": _("who"),
        "why": _("why"),
        "window": _("maintenance window"),
    }
