"""JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from blue_wizard.report.stats.formats import as_data, writes

if TYPE_CHECKING:
    from blue_wizard.stats.model import Report

__all__ = ["as_json"]


@writes(".json")
def as_json(report: Report) -> bytes:
    """The same data as ``-o json``."""
    return orjson.dumps(as_data(report), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
