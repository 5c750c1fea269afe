"""HTML: one file that needs nothing else, with charts, a filter and sortable tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from blue_wizard import text
from blue_wizard.report.stats.formats import cell, change, writes
from blue_wizard.text import _
from blue_wizard.units import clock_text, seconds_text

if TYPE_CHECKING:
    from blue_wizard.stats.forecast import Forecast
    from blue_wizard.stats.model import Report, Sheet

__all__ = ["as_html"]

_TEMPLATE = "stats.html.j2"
_BARS = 15
_TILES = ("hosts.vcpus.used_percent", "hosts.memory.used_percent", "ceph.safe_percent", "network.external_ips_percent",
          "hosts.count", "servers.count", "projects.count", "storage.volumes_size")  # fmt: skip
_WIDE, _HIGH = 320.0, 110.0


@writes(".html")
def as_html(report: Report) -> bytes:
    """The report as one page in the language in force. Everything that came from outside is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("blue_wizard", "report/templates")
    page = Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template(_TEMPLATE)
    known = {v.statistic.id: v for v in report.values}
    return page.render(
        r=report,
        t=_labels(),
        lang="zh-CN" if text.current() == "zh" else "en",
        tiles=[known[name] for name in _TILES if name in known],
        cell=cell,
        change=change,
        since=None if report.since is None else _("since {moment}").format(moment=clock_text(report.since)),
        clock=clock_text,
        seconds=seconds_text,
        bars=_bars,
        sort=_sort,
        tone=_tone,
        curve=_curve,
        unknown=lambda what: _("unknown: {what}").format(what=what),
        unread=lambda p: _("{what} could not be read: {why}").format(what=p.what, why=p.why),
        title=_("Resources of cloud {name}").format(name=report.cloud),
        calls=_("{calls} requests · {took}").format(calls=report.calls, took=seconds_text(report.took_s)),
    ).encode()


def _tone(value: float | None) -> str:
    """The colour of a share in percent."""
    if value is None:
        return "none"
    return "bad" if value >= 90 else "wait" if value >= 75 else "good"


def _sort(value: Any) -> str:
    """What a column is sorted by."""
    return "" if value is None else str(float(value) if isinstance(value, int | float) else value)


def _bars(sheet: Sheet) -> list[Mapping[str, Any]]:
    """The bars of a table's first chart column: label, text, width in percent, tone."""
    if not sheet.table.chart:
        return []
    column = next(c for c in sheet.columns if c.key == sheet.table.chart[0])
    rows = [r for r in sheet.rows if r.get(column.key)]
    rows = sorted(rows, key=lambda r: -r[column.key])[:_BARS]
    share = column.unit.value == "percent"
    most = 100.0 if share else max((float(r[column.key]) for r in rows), default=1.0)
    return [
        {
            "label": r[sheet.columns[0].key],
            "text": cell(r[column.key], column.unit.value),
            "width": round(min(100.0, 100 * r[column.key] / most), 1),
            "tone": _tone(r[column.key]) if share else "plain",
        }
        for r in rows
    ]


def _curve(f: Forecast) -> Mapping[str, Any]:
    """Points of an SVG of 320 x 110: the history, and the band as far ahead again; y is the share of the limit, 0 to 110 %."""
    first, last = f.history[0][0], f.history[-1][0]
    span = max(1.0, last - first)

    def at(day: float, value: float) -> str:
        x = _WIDE * (day - first) / (2 * span)
        y = _HIGH - _HIGH * min(1.1, max(0.0, value / f.limit)) / 1.1
        return f"{x:.1f},{y:.1f}"

    made = {"line": " ".join(at(d, v) for d, v in f.history), "likely": "", "band": "", "limit": _HIGH - _HIGH / 1.1}
    if f.trend is not None:
        ends = [f.used + slope * span for slope in (f.trend.slope, f.trend.high, f.trend.low)]
        now = at(last, f.used)
        made["likely"] = f"{now} {at(last + span, ends[0])}"
        made["band"] = f"{now} {at(last + span, ends[1])} {at(last + span, ends[2])}"
    return made


def _labels() -> dict[str, str]:
    return {
        "filter": _("Filter lines"),
        "forecast": _("Forecast"),
        "partial": _("PARTIAL REPORT"),
        "left": _("days left"),
        "soonest": _("soonest"),
        "never": _("never at this growth"),
        "young": _("no trend yet: days of history"),
        "value": _("value"),
        "what": _("what"),
        "formula": _("formula and source"),
        "totals": _("All numbers"),
    }
