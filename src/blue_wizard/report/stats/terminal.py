"""Statistics on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from blue_wizard.report.out import table
from blue_wizard.report.stats.formats import cell, change
from blue_wizard.text import _
from blue_wizard.units import clock_text, seconds_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from blue_wizard.stats.forecast import Forecast
    from blue_wizard.stats.model import Problem, Report, Sheet, Value
    from blue_wizard.stats.whatif import ServersOutcome, StorageOutcome

__all__ = ["forecast_tables", "stats_tables", "whatif_tables"]

_MOST = 25


def stats_tables(report: Report, *, every: bool) -> Iterable[RenderableType]:
    """Totals by topic, then tables (25 lines of each, all with `every`), then what is missing and what to know."""
    for topic, title in report.titles.items():
        compared = report.since is not None
        rows = [
            (v.statistic.title(), _value(v), change(v)) if compared else (v.statistic.title(), _value(v))
            for v in report.values
            if v.statistic.topic == topic
        ]
        if rows:
            since = (_("since {moment}").format(moment=clock_text(report.since)),) if compared else ()
            yield table((title, "", *since), rows)
        for sheet in report.sheets:
            if sheet.table.topic == topic:
                yield from _sheet(sheet, every=every)
    yield from _end(report)


def _value(v: Value) -> str:
    return _("unknown: {what}").format(what=v.unknown) if v.unknown else cell(v.number, v.statistic.unit)


def _sheet(sheet: Sheet, *, every: bool) -> Iterable[RenderableType]:
    if sheet.unknown:
        yield f"{sheet.table.title()}: " + _("unknown: {what}").format(what=sheet.unknown)
        return
    if not sheet.rows:
        return
    chosen = sheet.rows if every else sheet.rows[:_MOST]
    # An id is for machines and for whoever searches; a line has no room for it.
    columns = [c for c in sheet.columns if c.key != "id"]
    yield table(
        [c.title for c in columns],
        [[cell(row.get(c.key), c.unit) for c in columns] for row in chosen],
        title=sheet.table.title(),
    )
    if len(chosen) < len(sheet.rows):
        yield _("... and {count} more: --all").format(count=len(sheet.rows) - len(chosen))


def _end(report: Report) -> Iterable[str]:
    yield from _problems(report.problems)
    yield from (f"· {note}" for note in report.notes)
    words = _("{calls} requests · {took}").format(calls=report.calls, took=seconds_text(report.took_s))
    yield _("PARTIAL REPORT") + f" · {words}" if report.partial else words


def forecast_tables(
    forecasts: Sequence[Forecast], fewest: int, problems: Iterable[Problem]
) -> Iterable[RenderableType]:
    """What runs out, and when."""
    columns = (_("what"), _("used"), _("growth in 30 days"), _("days left"), _("soonest"), _("latest"), _("order within"),
               _("days of history"))  # fmt: skip
    rows = [_forecast(f) for f in forecasts]
    yield table(columns, rows)
    if any(f.trend is None for f in forecasts):
        yield _("A trend needs {fewest} days with a run of blue-wizard stats; schedule one a day.").format(
            fewest=fewest
        )
    yield _("Soonest and latest are the ends of a 90 % band of the growth; plan with the soonest.")
    yield from _problems(problems)


def _problems(problems: Iterable[Problem]) -> Iterable[str]:
    for problem in problems:
        yield "! " + _("{what} could not be read: {why}").format(what=problem.what, why=problem.why)


def _forecast(f: Forecast) -> tuple[Any, ...]:
    growth = None if f.trend is None or not f.limit else f"{100 * 30 * f.trend.slope / f.limit:+.1f} %"
    if f.trend is None:
        return (f.subject.title(), cell(f.percent, "percent"), None, None, None, None, None, f.points)

    def days(value: float | None) -> str:
        return _("never at this growth") if value is None else cell(value, "days")

    return (f.subject.title(), cell(f.percent, "percent"), growth, days(f.likely), days(f.soonest), days(f.latest),
            days(f.order_in), f.points)  # fmt: skip


def whatif_tables(
    servers: ServersOutcome | None, storage: Sequence[StorageOutcome], problems: Iterable[Problem]
) -> Iterable[RenderableType]:
    """What would become of servers and data."""
    if servers is not None:
        if servers.hosts:
            yield table((_("host"), _("takes")), servers.hosts)
        yield table(
            ("", _("before"), _("after")),
            (
                (
                    _("VCPUs: allocated share"),
                    cell(servers.vcpus_before, "percent"),
                    cell(servers.vcpus_after, "percent"),
                ),
                (
                    _("Memory: allocated share"),
                    cell(servers.memory_before, "percent"),
                    cell(servers.memory_after, "percent"),
                ),
            ),
        )
        if servers.moved:
            yield _("{count} servers move; {left} of them find no room.").format(
                count=servers.moved, left=servers.homeless_moved
            )
        if servers.added:
            yield _("{count} servers come; {left} of them find no room.").format(
                count=servers.added, left=servers.homeless_added
            )
    if storage:
        words = {
            "ok": _("ok"),
            "nearfull": _("nearly full"),
            "full": _("full: writes stop"),
            "degraded": _("degraded: copies can't heal"),
        }
        yield table(
            (_("CRUSH root"), _("lost"), _("used before"), _("used after"), _("written again"), _("state")),
            [
                (s.root, ", ".join(s.lost), cell(s.percent_before, "percent"), cell(s.percent_after, "percent"),
                 cell(s.moved, "bytes"), words[s.state])
                for s in storage
            ],
        )  # fmt: skip
    yield from _problems(problems)
