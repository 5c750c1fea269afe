"""An inspection as a Word document, as it is signed and filed: cover, verdict, findings with what to do, what could not be
looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blue_wizard.report.inspection import marks, reasons, verdict, words
from blue_wizard.text import _, translated
from blue_wizard.units import clock_text

if TYPE_CHECKING:
    from blue_wizard.inspect.result import Inspection

__all__ = ["write"]

_COLOURS = {"critical": "B3261E", "warning": "D08700", "info": "2F6FAB"}
_HEAD = "1F3A5F"


def write(found: Inspection, file: Path) -> None:
    """Write the document, in the language in force."""
    from docx import Document
    from docx.enum.section import WD_ORIENT
    from docx.shared import Cm, Pt

    document = Document()
    section = document.sections[0]
    section.orientation = WD_ORIENT.LANDSCAPE
    section.page_width, section.page_height = Cm(29.7), Cm(21.0)
    section.left_margin = section.right_margin = Cm(1.8)
    style = document.styles["Normal"]
    style.font.size = Pt(10)
    # Word takes the font for Chinese characters from an attribute of its own.
    style.element.get_or_add_rPr().get_or_add_rFonts().set(_name("w:eastAsia"), "Microsoft YaHei")
    _cover(document, found)
    _findings(document, found)
    _unlooked(document, found)
    _checks(document, found)
    document.save(str(file))


def _name(name: str) -> str:
    from docx.oxml.ns import qn

    return str(qn(name))


def _cover(document: Any, found: Inspection) -> None:
    names = words()
    document.add_heading(_("Inspection of {cloud}").format(cloud=found.cloud), 0)
    document.add_paragraph(verdict(found))
    facts = [
        (_("Score"), f"{found.score:g}"),
        (_("Coverage"), f"{found.coverage:g} %"),
        (_("Profile"), found.profile),
        (_("Started"), clock_text(found.started)),
        *((names[s.value], str(n)) for s, n in found.counted().items()),
        *((_("checks: {status}").format(status=names[s]), str(n)) for s, n in found.statuses().items()),
    ]
    _table(document, (), facts, (6.0, 8.0))
    document.add_paragraph()
    _table(document, (_("Inspected by"), _("Reviewed by"), _("Date")), [("\n", "\n", "\n")], (8.0, 8.0, 8.0))
    document.add_page_break()


def _findings(document: Any, found: Inspection) -> None:
    names = words()
    document.add_heading(_("Findings"), 1)
    if not found.rows:
        document.add_paragraph(_("Nothing was found."))
        return
    rows = [
        (
            names[r.severity.value],
            r.check.id,
            r.finding.host,
            f"{r.finding.message}\n{'; '.join(r.finding.evidence)}",
            r.remedy,
            f"{clock_text(r.first_seen)}\n{_('follows from {check}').format(check=r.because) if r.because else marks(r)}",
        )
        for r in found.rows
    ]
    columns = (_("severity"), _("check"), _("host"), _("finding"), _("what to do"), _("first seen"))
    made = _table(document, columns, rows, (1.8, 4.2, 2.4, 8.0, 6.6, 3.2))
    for row, r in zip(made.rows[1:], found.rows, strict=True):
        _paint(row.cells[0], _COLOURS[r.severity.value])


def _unlooked(document: Any, found: Inspection) -> None:
    rows = [(why, ", ".join(checks)) for why, checks in reasons(found)]
    if rows:
        document.add_heading(_("Could not look"), 1)
        _table(document, (_("why"), _("checks")), rows, (13.0, 13.0))


def _checks(document: Any, found: Inspection) -> None:
    names = words()
    document.add_heading(_("All checks"), 1)
    rows = [(names[o.status.value], o.check.id, translated(o.check.title)) for o in found.outcomes]
    _table(document, (_("state"), _("check"), _("finds")), rows, (3.0, 7.0, 16.0))


def _table(document: Any, columns: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[float]) -> Any:
    """A table with a head that is repeated on every page; widths in cm."""
    from docx.oxml import OxmlElement
    from docx.shared import Cm, Pt

    body = list(rows)
    made = document.add_table(rows=len(body) + bool(columns), cols=len(widths), style="Table Grid")
    made.autofit = False
    cells = made._cells  # the property builds the whole list anew each time
    for at, text in enumerate([*columns, *(cell for row in body for cell in row)]):
        cell = cells[at]
        cell.width = Cm(widths[at % len(widths)])
        run = cell.paragraphs[0].add_run(text)
        run.font.size = Pt(9)
        if at < len(columns):
            _paint(cell, _HEAD)
    if columns:
        head = made.rows[0]._tr.get_or_add_trPr()
        mark = OxmlElement("w:tblHeader")
        mark.set(_name("w:val"), "true")
        head.append(mark)
    return made


def _paint(cell: Any, colour: str) -> None:
    from docx.oxml import OxmlElement
    from docx.shared import RGBColor

    shade = OxmlElement("w:shd")
    shade.set(_name("w:val"), "clear")
    shade.set(_name("w:fill"), colour)
    cell._tc.get_or_add_tcPr().append(shade)
    for run in cell.paragraphs[0].runs:
        run.font.bold = True
        run.font.color.rgb = RGBColor(0xFF, 0xFF, 0xFF)
