"""The formats by suffix, and what all of them share: how a number looks, in what order things come."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blue_wizard.errors import InputError
from blue_wizard.text import _
from blue_wizard.units import bytes_text

if TYPE_CHECKING:
    from blue_wizard.stats.forecast import Forecast
    from blue_wizard.stats.model import Report, Value

__all__ = ["as_data", "cell", "change", "check", "forecasts_data", "suffixes", "write", "writes"]

Writer = Callable[["Report"], bytes]
_writers: dict[str, Writer] = {}


def writes(suffix: str) -> Callable[[Writer], Writer]:
    """Register what makes the file of that suffix."""

    def register(writer: Writer) -> Writer:
        _writers[suffix] = writer
        return writer

    return register


def suffixes() -> tuple[str, ...]:
    """All suffixes that can be written."""
    from blue_wizard.report import stats as folder

    for module in sorted(pkgutil.iter_modules(folder.__path__), key=lambda m: m.name):
        importlib.import_module(f"{folder.__name__}.{module.name}")
    return tuple(sorted(_writers))


def check(file: Path) -> None:
    """Raise InputError when the suffix is not known: before anything is asked, not after."""
    if file.suffix not in suffixes():
        raise InputError(
            _("{file} has none of the suffixes {known}.").format(file=file, known=" ".join(suffixes())),
            _("The name of the file says what is written."),
        )


def write(report: Report, file: Path) -> None:
    """Write the report. A reader never sees half of it. Raises InputError."""
    check(file)
    made = _writers[file.suffix](report)
    try:
        part = file.with_name(f".{file.name}.part")
        part.write_bytes(made)
        part.replace(file)
    except OSError as e:
        raise InputError(_("{file} can't be written: {error}").format(file=file, error=e.strerror)) from e


def cell(value: Any, unit: str) -> str:
    """A value as people read it; None is a dash."""
    if value is None:
        return "-"
    if unit == "bool":
        return _("yes") if value else _("no")
    if unit == "bytes":
        return bytes_text(value)
    if unit == "percent":
        return f"{value:.1f} %"
    if unit == "ratio":
        return f"{value:.2f}"
    if unit == "days":
        return _("{days} d").format(days=f"{value:.1f}" if value < 10 else f"{value:.0f}")
    return str(value)


def change(value: Value) -> str:
    """How a number has changed since the moment that the report compares with, in its unit; a dash where that is not known."""
    if value.before is None or value.number is None:
        return "-"
    unit = value.statistic.unit.value
    if unit == "bool":
        return "-" if bool(value.before) == bool(value.number) else f"{cell(bool(value.before), unit)} →"
    found = value.number - value.before
    # Counts are kept as the floating-point numbers of the history.
    shown = cell(round(abs(found)) if unit in {"count", "vcpus"} else abs(found), unit)
    return shown if not found else ("+" if found > 0 else "\N{MINUS SIGN}") + shown


def as_data(report: Report) -> dict[str, Any]:
    """The report as JSON data. Numbers are in the base units of `Unit`; what is not known has a value of null, and says why."""
    return {
        "cloud": report.cloud,
        "moment": report.moment,
        "took_s": round(report.took_s, 3),
        "calls": report.calls,
        "asked_s": {name: round(seconds, 3) for name, seconds in report.asked_s.items()},
        "compared_with": report.since,
        "partial": report.partial,
        "problems": [{"what": p.what, "why": p.why} for p in report.problems],
        "notes": list(report.notes),
        "statistics": {
            v.statistic.id: {"value": v.number, "unit": v.statistic.unit.value, "unknown": v.unknown or None}
            | ({} if report.since is None else {"before": v.before})
            for v in report.values
        },
        "tables": {
            s.table.id: {
                "units": {c.key: c.unit.value for c in s.columns},
                "rows": [dict(row) for row in s.rows],
                "unknown": s.unknown or None,
            }
            for s in report.sheets
        },
        "forecasts": forecasts_data(report.forecasts),
    }


def forecasts_data(forecasts: Sequence[Forecast]) -> list[dict[str, Any]]:
    """Forecasts as JSON data; days are null for never, and for all where there is no trend (no growth_per_day)."""
    return [
        {
            "subject": f.subject.id,
            "used": f.used,
            "limit": f.limit,
            "points": f.points,
            "growth_per_day": None if f.trend is None else f.trend.slope,
            "days_likely": f.likely,
            "days_soonest": f.soonest,
            "days_latest": f.latest,
            "order_in_days": f.order_in,
        }
        for f in forecasts
    ]
