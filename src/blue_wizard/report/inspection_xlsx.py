"""An inspection as a workbook: summary, abnormal items, every check, what could not be looked at. As an inspection report is
filed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blue_wizard.report.inspection import marks, page, words
from blue_wizard.report.paper import height, printable
from blue_wizard.text import _, translated
from blue_wizard.units import clock_text, seconds_text

if TYPE_CHECKING:
    from blue_wizard.inspect.result import Inspection

__all__ = ["write"]

_COLOURS = {
    "critical": "#F8D7DA", "fail": "#F8D7DA", "warning": "#FFF3CD", "unknown": "#E2E3E5", "info": "#DCEBFA",
    "pass": "#D9F2E3", "skipped": "#FFFFFF",
}  # fmt: skip


def write(found: Inspection, file: Path) -> None:
    """Write the workbook, in the language in force."""
    import xlsxwriter

    # Text of others that begins with "=" is text, and a URL in it is no link.
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(str(file), options) as book:
        book.set_properties({"title": _("Inspection of {cloud}").format(cloud=found.cloud)})
        formats = _Formats(book)
        _summary(book, formats, found)
        _abnormal(book, formats, found)
        _checks(book, formats, found)
        _not_looked(book, formats, found)


class _Formats:
    """The few looks that a cell can have."""

    def __init__(self, book: Any) -> None:
        base = {"font_size": 10, "valign": "top"}
        self.title = book.add_format({**base, "font_size": 16, "bold": True})
        self.head = book.add_format({**base, "bold": True, "bg_color": "#1F3A5F", "font_color": "#FFFFFF", "border": 1})
        self.cell = book.add_format({**base, "text_wrap": True, "border": 1, "border_color": "#C9D1DA"})
        self.name = book.add_format({**base, "bold": True})
        self.plain = book.add_format(base)
        self.score = book.add_format({**base, "font_size": 28, "bold": True, "align": "left"})
        self.of = {
            name: book.add_format({**base, "bold": True, "border": 1, "border_color": "#C9D1DA", "bg_color": colour})
            for name, colour in _COLOURS.items()
        }


def _table(
    sheet: Any,
    formats: _Formats,
    columns: Sequence[tuple[str, float]],
    rows: Iterable[Sequence[object]],
    *,
    top: int = 0,
    tone: int | None = None,
) -> int:
    """A table with a filter; cells of column `tone` are (key, text) and take the key's colour. Gives the row below it."""
    for at, (name, width) in enumerate(columns):
        sheet.set_column(at, at, width)
        sheet.write_string(top, at, name, formats.head)
    row = top
    for row, values in enumerate(rows, start=top + 1):
        for at, value in enumerate(values):
            if at == tone and isinstance(value, tuple):
                sheet.write_string(row, at, value[1], formats.of[value[0]])
            elif isinstance(value, int | float):
                sheet.write_number(row, at, value, formats.cell)
            else:
                sheet.write_string(row, at, str(value or ""), formats.cell)
        sheet.set_row(row, height((v, w) for v, (_n, w) in zip(values, columns, strict=True) if isinstance(v, str)))
    sheet.autofilter(top, 0, max(row, top), len(columns) - 1)
    sheet.freeze_panes(top + 1, 0)
    printable(sheet, top)
    return row + 1


def _summary(book: Any, formats: _Formats, found: Inspection) -> None:
    sheet = book.add_worksheet(_("Summary"))
    names = words()
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, 60)
    sheet.write_string(0, 0, _("Inspection of {cloud}").format(cloud=found.cloud), formats.title)
    sheet.write_string(2, 0, _("Score"), formats.name)
    sheet.write_number(2, 1, found.score, formats.score)
    sheet.set_row(2, 36)
    facts = [
        (_("Coverage"), f"{found.coverage:g} %"),
        (_("Profile"), found.profile),
        (_("Started"), clock_text(found.started)),
        (_("Took"), seconds_text(found.took_s)),
        *((names[s.value], str(n)) for s, n in found.counted().items()),
        *((_("checks: {status}").format(status=names[s]), str(n)) for s, n in found.statuses().items()),
        (_("waived"), str(sum(r.waiver is not None for r in found.rows))),
        (_("follow from others"), str(sum(bool(r.because) for r in found.rows))),
    ]
    for row, (name, value) in enumerate(facts, start=3):
        sheet.write_string(row, 0, name, formats.name)
        sheet.write_string(row, 1, value, formats.plain)
    row = len(facts) + 4
    for name in (_("Inspected by"), _("Reviewed by"), _("Date")):
        sheet.write_string(row, 0, name, formats.name)
        sheet.write_string(row, 1, "____________________", formats.plain)
        row += 1
    printable(sheet, None, pages=1)
    if len(found.trend) > 1:
        _trend(book, sheet, found, row + 1, formats)


def _trend(book: Any, sheet: Any, found: Inspection, row: int, formats: _Formats) -> None:
    """The scores of the last runs as a native chart, from the cells below it."""
    first = row + 18
    for at, (when, score) in enumerate(found.trend):
        sheet.write_string(first + at, 0, clock_text(when), formats.plain)
        sheet.write_number(first + at, 1, score, formats.plain)
    chart = book.add_chart({"type": "line"})
    last = first + len(found.trend) - 1
    chart.add_series(
        {
            "name": _("Score"),
            "categories": [sheet.get_name(), first, 0, last, 0],
            "values": [sheet.get_name(), first, 1, last, 1],
        }
    )
    chart.set_y_axis({"min": 0, "max": 100})
    chart.set_legend({"none": True})
    sheet.insert_chart(row, 0, chart)


def _abnormal(book: Any, formats: _Formats, found: Inspection) -> None:
    sheet = book.add_worksheet(_("Abnormal items"))
    names = words()
    columns = (
        (_("severity"), 10.0), (_("check"), 22.0), (_("host"), 11.0), (_("object"), 20.0), (_("finding"), 36.0),
        (_("what to do"), 38.0), (_("evidence"), 34.0), (_("first seen"), 17.0), (_("remark"), 14.0),
    )  # fmt: skip
    rows = [
        (
            (r.severity.value, names[r.severity.value]),
            r.check.id,
            r.finding.host,
            r.finding.object,
            r.finding.message,
            r.remedy,
            "\n".join(r.finding.evidence),
            clock_text(r.first_seen),
            _("follows from {check}").format(check=r.because) if r.because else marks(r),
        )
        for r in found.rows
    ]
    _table(sheet, formats, columns, rows, tone=0)


def _checks(book: Any, formats: _Formats, found: Inspection) -> None:
    sheet = book.add_worksheet(_("Details"))
    names = words()
    columns = ((_("state"), 14.0), (_("check"), 28.0), (_("finds"), 60.0), (_("findings"), 10.0), (_("page"), 44.0))
    rows = [
        (
            (o.status.value, names[o.status.value]),
            o.check.id,
            translated(o.check.title),
            len(o.findings),
            page(o.check),
        )
        for o in found.outcomes
    ]
    _table(sheet, formats, columns, rows, tone=0)


def _not_looked(book: Any, formats: _Formats, found: Inspection) -> None:
    sheet = book.add_worksheet(_("Could not look"))
    columns = ((_("check"), 28.0), (_("why"), 110.0))
    _table(sheet, formats, columns, [(o.check.id, why) for o in found.outcomes for why in o.unknown])
