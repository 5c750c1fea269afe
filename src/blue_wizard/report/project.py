"""How the copy of a project looks on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from blue_wizard.migrate.project.names import kind_text
from blue_wizard.report.lines import gate_lines, left_lines, rest_lines
from blue_wizard.report.names import state_text, step_text
from blue_wizard.report.out import table
from blue_wizard.text import _

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["objects_table"]


def _state(state: str) -> str:
    """Images and volumes are jobs of their own, the others are steps."""
    text = state_text(state)
    return text if text != state else step_text(state)


def objects_table(view: Mapping[str, Any]) -> Iterable[RenderableType]:
    """What became of the objects, one a line."""
    rows = [
        (kind_text(o["kind"]), o["name"], o["source"], o["id"], (o["sha256"] or "")[:12] or None, _state(o["state"]))
        for o in view["report"]["objects"]
    ]
    yield table((_("kind"), _("name"), _("source"), _("target"), "SHA-256", _("state")), rows)
    yield _("Job {job}: {state}").format(job=view["job"], state=state_text(view["state"]))
    yield from (f"{c['title']}: {c['error']}" for c in (view, *view["children"]) if c["error"])
    yield from rest_lines(view)
    if view["gate"]:
        yield from gate_lines(view["gate"])
    if view["left"]:
        yield from left_lines(view["left"])
