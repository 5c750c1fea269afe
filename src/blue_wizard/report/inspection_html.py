"""An inspection as one HTML file that needs nothing else: charts are drawn into it, and it filters and sorts by itself,
offline."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from blue_wizard import text
from blue_wizard.report.inspection import marks, page, reasons, verdict, words
from blue_wizard.text import _, translated
from blue_wizard.units import clock_text, seconds_text

if TYPE_CHECKING:
    from blue_wizard.inspect.result import Inspection

__all__ = ["render"]

_TEMPLATE = "inspection.html.j2"
_RADIUS = 54.0
_GOOD, _FAIR = 90.0, 70.0


def render(found: Inspection) -> str:
    """The page, in the language in force. Everything that came from outside is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("blue_wizard", "report/templates")
    template = Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template(_TEMPLATE)
    round_ = 2 * math.pi * _RADIUS
    return template.render(
        found=found,
        t=_labels(),
        lang="zh-CN" if text.current() == "zh" else "en",
        words=words(),
        verdict=verdict(found),
        tone="#1a7f4b" if found.score >= _GOOD else "#9a6700" if found.score >= _FAIR else "#b3261e",
        arc=f"{round_ * found.score / 100:.1f} {round_:.1f}",
        families=_families(found),
        hosts=_hosts(found),
        reasons=reasons(found),
        trend=_trend(found),
        marks=marks,
        page=page,
        translated=translated,
        clock=clock_text,
        seconds=seconds_text,
    )


def _families(found: Inspection) -> list[dict[str, Any]]:
    """How the checks of each family ended, and the widths of their bars (percent)."""
    counts: dict[str, Counter[str]] = {}
    for o in found.outcomes:
        worst = min(
            (r.severity for r in found.rows if r.check.id == o.check.id and r.counts),
            key=lambda s: s.rank,
            default=None,
        )
        state = worst.value if worst else "pass" if o.status.value == "fail" else o.status.value
        counts.setdefault(o.check.family, Counter())[state] += 1
    order = ("critical", "warning", "info", "unknown", "pass", "skipped")
    return [
        {
            "name": name,
            "total": sum(c.values()),
            "parts": [(s, c[s], 100 * c[s] / sum(c.values())) for s in order if c[s]],
        }
        for name, c in sorted(counts.items())
    ]


def _hosts(found: Inspection) -> list[dict[str, Any]]:
    """Hosts with findings that count, the worst first."""
    counts: dict[str, Counter[str]] = {}
    for r in found.rows:
        if r.counts and r.finding.host:
            counts.setdefault(r.finding.host, Counter())[r.severity.value] += 1
    rows = [{"name": name, "counts": c} for name, c in counts.items()]
    return sorted(rows, key=lambda h: [-h["counts"][s] for s in ("critical", "warning", "info")])


def _trend(found: Inspection) -> str:
    """The points of the line of scores, in a box of 300 by 60; "" with fewer than two runs."""
    if len(found.trend) < 2:
        return ""
    step = 300 / (len(found.trend) - 1)
    return " ".join(f"{i * step:.1f},{60 - 0.6 * score:.1f}" for i, (_at, score) in enumerate(found.trend))


def _labels() -> dict[str, str]:
    return {
        "title": _("Inspection of {cloud}"),
        "score": _("Score"),
        "coverage": _("Coverage"),
        "profile": _("Profile"),
        "started": _("Started"),
        "took": _("Took"),
        "findings": _("Findings"),
        "severity": _("severity"),
        "check": _("check"),
        "host": _("host"),
        "finding": _("finding"),
        "todo": _("what to do"),
        "evidence": _("evidence"),
        "since": _("first seen"),
        "all": _("all"),
        "search": _("Search in all columns"),
        "follows": _("follows from {check}"),
        "none": _("Nothing was found."),
        "families": _("By part of the platform"),
        "hosts": _("Hosts with findings"),
        "trend": _("Score of the last inspections"),
        "gone": _("Gone since the last inspection"),
        "unlooked": _("Could not look"),
        "why": _("why"),
        "checks": _("All checks"),
        "finds": _("finds"),
        "state": _("state"),
        "others": _("show waived findings, and those that follow from others"),
        "inspector": _("Inspected by"),
        "reviewer": _("Reviewed by"),
        "date": _("Date"),
    }
