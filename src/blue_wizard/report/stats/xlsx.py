"""Excel: a sheet of totals, a sheet a table with filters and a native chart, forecasts with their lines, and what is missing."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from blue_wizard.report.paper import height, printable
from blue_wizard.report.stats.formats import change, writes
from blue_wizard.text import _
from blue_wizard.units import clock_text

if TYPE_CHECKING:
    from blue_wizard.stats.forecast import Forecast
    from blue_wizard.stats.model import Report, Sheet

__all__ = ["as_xlsx"]

_GIB = 1 << 30
_FORMATS = {
    "bytes": '#,##0.0" GiB"',
    "percent": '0.0" %"',
    "ratio": "0.00",
    "days": '0.0" d"',
    "count": "#,##0",
    "vcpus": "#,##0",
}
_BARS = 20
_FORMULA = 96
"""Width of the column of formulas, in characters."""
_DAY_0 = 25569
"""1970-01-01 as Excel counts days."""


class _Book:
    def __init__(self) -> None:
        import xlsxwriter

        self.out = io.BytesIO()
        # What tenants named their things must not become a formula or a link.
        self.book = xlsxwriter.Workbook(
            self.out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        )
        font = {"font_name": "Noto Sans CJK SC", "font_size": 10, "valign": "vcenter"}
        self.title = self.book.add_format({**font, "bold": True, "font_size": 16, "font_color": "#1D4E89"})
        self.head = self.book.add_format(
            {**font, "bold": True, "bg_color": "#1D4E89", "font_color": "white", "text_wrap": True, "border": 1}
        )
        self.group = self.book.add_format({**font, "bold": True, "bg_color": "#E8EEF5"})
        self.soft = self.book.add_format({**font, "font_color": "#5B6875", "text_wrap": True})
        self.bad = self.book.add_format({**font, "font_color": "#B3261E", "text_wrap": True})
        self.text = self.book.add_format(font)
        self.formats = {unit: self.book.add_format({**font, "num_format": code}) for unit, code in _FORMATS.items()}
        self.day = self.book.add_format({**font, "num_format": "yyyy-mm-dd"})
        self._names: set[str] = set()

    def sheet(self, title: str) -> Any:
        """A sheet whose name Excel allows: 31 characters, none of []:*?/\\, no name twice."""
        name = base = re.sub(r"[\[\]:*?/\\]", " ", title).strip("' ")[:31] or "-"
        number = 1
        while name.lower() in self._names:
            number += 1
            name = f"{base[:28]} {number}"
        self._names.add(name.lower())
        made = self.book.add_worksheet(name)
        made.hide_gridlines(2)
        printable(made, None)
        return made

    def put(self, sheet: Any, row: int, column: int, value: Any, unit: str) -> None:
        """Write a value in the format of its unit."""
        if value is None:
            sheet.write_string(row, column, "-", self.soft)
        elif unit == "bool":
            sheet.write_string(row, column, _("yes") if value else _("no"), self.text)
        elif unit == "text":
            sheet.write_string(row, column, str(value), self.text)
        else:
            sheet.write_number(row, column, value / _GIB if unit == "bytes" else value, self.formats[unit])


@writes(".xlsx")
def as_xlsx(report: Report) -> bytes:
    """The workbook. Bytes are shown as GiB, all else in base units."""
    book = _Book()
    _summary(book, report)
    for sheet in report.sheets:
        if sheet.rows:
            _table(book, sheet)
    if report.forecasts:
        _forecasts(book, report.forecasts)
    book.book.close()
    return book.out.getvalue()


def _summary(book: _Book, report: Report) -> None:
    sheet = book.sheet(_("Summary"))
    sheet.set_column(0, 0, 46)
    sheet.set_column(1, 1, 18)
    sheet.set_column(2, 2, _FORMULA)
    sheet.write_string(0, 0, _("Resources of cloud {name}").format(name=report.cloud), book.title)
    sheet.write_string(1, 0, clock_text(report.moment), book.soft)
    row = 2
    for problem in report.problems:
        text = _("{what} could not be read: {why}").format(what=problem.what, why=problem.why)
        sheet.merge_range(row, 0, row, 2, text, book.bad)
        row += 1
    for note in report.notes:
        sheet.merge_range(row, 0, row, 2, note, book.soft)
        row += 1
    row += 1
    heads = [_("what"), _("value"), _("formula and source")]
    if report.since is not None:
        heads.append(_("since {moment}").format(moment=clock_text(report.since)))
        sheet.set_column(3, 3, 24)
    for column, title in enumerate(heads):
        sheet.write_string(row, column, title, book.head)
    sheet.freeze_panes(row + 1, 0)
    topic = ""
    for v in report.values:
        if v.statistic.topic != topic:
            topic = v.statistic.topic
            row += 1
            for column in range(3):
                sheet.write_string(row, column, report.titles[topic] if column == 0 else "", book.group)
        row += 1
        sheet.write_string(row, 0, v.statistic.title(), book.text)
        if v.unknown:
            sheet.write_string(row, 1, _("unknown: {what}").format(what=v.unknown), book.bad)
        else:
            book.put(sheet, row, 1, v.number, v.statistic.unit.value)
        sheet.write_string(row, 2, v.statistic.formula, book.soft)
        sheet.set_row(row, height([(v.statistic.formula, _FORMULA)]))
        if report.since is not None:
            sheet.write_string(row, 3, change(v), book.text)


def _table(book: _Book, made: Sheet) -> None:
    sheet = book.sheet(made.table.title())
    last = len(made.rows)
    for i, column in enumerate(made.columns):
        unit = column.unit.value
        sheet.write_string(0, i, f"{column.title} (GiB)" if unit == "bytes" else column.title, book.head)
        sheet.set_column(i, i, _width(made.rows, column.key, column.title, unit))
        for r, row in enumerate(made.rows, 1):
            book.put(sheet, r, i, row.get(column.key), unit)
        if unit == "percent":
            sheet.conditional_format(1, i, last, i, {"type": "data_bar", "bar_color": "#8FB3D9", "min_type": "num",
                                                     "min_value": 0, "max_type": "num", "max_value": 100})  # fmt: skip
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, last, len(made.columns) - 1)
    if made.table.chart:
        _chart(book, sheet, made)


def _width(rows: Sequence[Mapping[str, Any]], key: str, title: str, unit: str) -> float:
    if unit != "text":
        return 14
    longest = max((len(str(row.get(key) or "")) for row in rows[:500]), default=0)
    return min(44, max(12, longest + 2, 2 * len(title) + 2))


def _chart(book: _Book, sheet: Any, made: Sheet) -> None:
    keys = [c.key for c in made.columns]
    last = min(len(made.rows), _BARS)
    chart = book.book.add_chart({"type": "bar"})
    for key in made.table.chart:
        at = keys.index(key)
        name = made.columns[at].title if made.columns[at].title != "%" else f"{made.columns[at - 1].title} %"
        chart.add_series(
            {
                "name": name,
                "categories": [sheet.get_name(), 1, 0, last, 0],
                "values": [sheet.get_name(), 1, at, last, at],
                "gap": 60,
            }
        )
    chart.set_title({"name": made.table.title(), "name_font": {"size": 12}})
    chart.set_y_axis({"reverse": True})
    chart.set_legend({"position": "bottom"} if len(made.table.chart) > 1 else {"none": True})
    chart.set_size({"width": 720, "height": 120 + 26 * last})
    sheet.insert_chart(len(made.rows) + 2, 1, chart)


def _forecasts(book: _Book, forecasts: Sequence[Forecast]) -> None:
    sheet = book.sheet(_("Forecast"))
    columns = (
        (_("what"), 28),
        (_("used"), 12),
        (_("days left"), 14),
        (_("soonest"), 14),
        (_("latest"), 14),
        (_("order within"), 14),
        (_("days of history"), 16),
    )
    for i, (title, width) in enumerate(columns):
        sheet.write_string(0, i, title, book.head)
        sheet.set_column(i, i, width)
    for r, f in enumerate(forecasts, 1):
        book.put(sheet, r, 0, f.subject.title(), "text")
        book.put(sheet, r, 1, f.percent, "percent")
        for i, value in enumerate((f.likely, f.soonest, f.latest, f.order_in), 2):
            if value is None and f.trend is not None:
                sheet.write_string(r, i, _("never at this growth"), book.soft)
            else:
                book.put(sheet, r, i, value, "days")
        book.put(sheet, r, 6, f.points, "count")
    # The points lie below, and the charts beside the table.
    row = len(forecasts) + 3
    for number, f in enumerate(forecasts):
        sheet.write_string(row, 0, f.subject.title(), book.group)
        for i, (day, value) in enumerate(f.history, 1):
            sheet.write_number(row + i, 0, day + _DAY_0, book.day)
            sheet.write_number(row + i, 1, 100 * value / f.limit, book.formats["percent"])
        chart = book.book.add_chart({"type": "scatter", "subtype": "straight"})
        chart.add_series(
            {
                "name": f.subject.title(),
                "categories": [sheet.get_name(), row + 1, 0, row + len(f.history), 0],
                "values": [sheet.get_name(), row + 1, 1, row + len(f.history), 1],
            }
        )
        chart.set_title({"name": f.subject.title(), "name_font": {"size": 11}})
        chart.set_y_axis({"min": 0, "max": 100, "num_format": '0" %"'})
        chart.set_x_axis({"num_format": "mm-dd"})
        chart.set_legend({"none": True})
        chart.set_size({"width": 460, "height": 220})
        sheet.insert_chart(1 + 12 * (number // 2), 8 + 7 * (number % 2), chart)
        row += len(f.history) + 2
