"""CSV: one value a line, so that tables of any shape fit into one file, and any tool can filter it."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from blue_wizard.report.stats.formats import writes

if TYPE_CHECKING:
    from blue_wizard.stats.model import Report

__all__ = ["as_csv"]

_BOM = b"\xef\xbb\xbf"


@writes(".csv")
def as_csv(report: Report) -> bytes:
    """Columns table, line, object, column, value, unit; totals are the table "statistics". Numbers are in base units, an empty
    value is an unknown one. Keys are the same in all languages."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("table", "line", "object", "column", "value", "unit"))
    for i, v in enumerate(report.values):
        writer.writerow(("statistics", i, v.statistic.id, "value", _plain(v.number), v.statistic.unit.value))
    for sheet in report.sheets:
        first = sheet.columns[0].key
        for i, row in enumerate(sheet.rows):
            for column in sheet.columns[1:]:
                value = _plain(row.get(column.key))
                writer.writerow((sheet.table.id, i, _text(row.get(first)), column.key, value, column.unit.value))
    # Excel takes UTF-8 for something else without the mark.
    return _BOM + out.getvalue().encode()


def _text(value: object) -> object:
    """A name that tenants chose must not be run as a formula by whoever opens the file."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    return "" if value is None else _text(value)
