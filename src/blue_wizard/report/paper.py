"""How a sheet of a workbook comes out of a printer: as wide as the page, with its head on every one."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

__all__ = ["height", "printable"]

_A4 = 9
_LINE = 14.0
_ROW = 15.0


def height(cells: Iterable[tuple[str, float]]) -> float:
    """The height of a row in points, of its wrapped texts and the widths of their columns, in characters.

    Not every office suite gives wrapped text the height that it needs.
    """
    lines = max((sum(_lines(part, width) for part in text.split("\n")) for text, width in cells), default=1)
    return _ROW + (lines - 1) * _LINE


def _lines(text: str, width: float) -> int:
    # Chinese characters are as wide as two others, and words are not broken.
    wide = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
    return max(1, -(-wide // max(1, int(width * 0.93))))


def printable(sheet: Any, head: int | None = 0, *, pages: int = 0) -> None:
    """Set up a worksheet of xlsxwriter for A4. `head` is the row that is repeated on each page, counted from 0; None: none is.

    It gets as many pages as it is long, or `pages`.
    """
    sheet.set_paper(_A4)
    sheet.set_landscape()
    sheet.fit_to_pages(1, pages)
    sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
    sheet.set_footer("&L&A&R&P / &N")
    if head is not None:
        sheet.repeat_rows(head)
