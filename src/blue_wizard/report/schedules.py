"""How schedules look on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from blue_wizard.report.out import table
from blue_wizard.text import _
from blue_wizard.units import clock_text

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["schedules_table"]


def schedules_table(views: Iterable[Mapping[str, Any]]) -> Table:
    """Schedules, one a line: when, what, the next time, and what became of the last one."""
    rows = [
        (
            v["name"],
            f"{v['cron']} ({v['timezone']})",
            v["operation"],
            v["who"],
            _("paused") if v["paused"] else clock_text(v["next"]),
            _last(v["last"]),
        )
        for v in views
    ]
    return table((_("schedule"), _("at"), _("operation"), _("by"), _("next"), _("last")), rows)


def _last(dues: Iterable[Mapping[str, Any]]) -> str | None:
    newest = next(iter(dues), None)
    return f"{clock_text(newest['due'])}: {newest['job'] or newest['note']}" if newest else None
