"""An inspection as a file: the name's ending says which kind. A new kind is one function with one line in the table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from blue_wizard.errors import InputError
from blue_wizard.text import _

if TYPE_CHECKING:
    from blue_wizard.inspect.result import Inspection

__all__ = ["KINDS", "writer"]

Write = Callable[["Inspection", Path], None]


def writer(file: Path) -> Write:
    """What writes such a file. Raises InputError for an ending that is not known, or a folder that is not there."""
    if file.suffix.lower() not in KINDS:
        raise InputError(
            _("No report can be written as {file}.").format(file=file),
            _("Known endings: {known}").format(known=", ".join(sorted(KINDS))),
        )
    if not file.parent.is_dir():
        raise InputError(
            _("There is no folder {folder}.").format(folder=file.parent), _("Make it, or say another file.")
        )
    return KINDS[file.suffix.lower()]


def _json(found: Inspection, file: Path) -> None:
    file.write_text(json.dumps(found.data(), ensure_ascii=False, indent=2) + "\n")


def _html(found: Inspection, file: Path) -> None:
    from blue_wizard.report.inspection_html import render

    file.write_text(render(found))


def _xlsx(found: Inspection, file: Path) -> None:
    from blue_wizard.report.inspection_xlsx import write

    write(found, file)


def _docx(found: Inspection, file: Path) -> None:
    from blue_wizard.report.inspection_docx import write

    write(found, file)


def _pdf(found: Inspection, file: Path) -> None:
    from blue_wizard.report.inspection_html import render

    try:
        import weasyprint
    except OSError as e:
        raise InputError(
            _("PDF needs a library that is not installed: {error}").format(error=e),
            _("Install the Debian packages libpango-1.0-0 and libpangoft2-1.0-0."),
        ) from e
    weasyprint.HTML(string=render(found)).write_pdf(str(file))


def _prometheus(found: Inspection, file: Path) -> None:
    from blue_wizard.report.inspection_text import prometheus

    # A collector may read it at any moment.
    new = file.with_name(file.name + ".new")
    new.write_text(prometheus(found))
    new.replace(file)


def _junit(found: Inspection, file: Path) -> None:
    from blue_wizard.report.inspection_text import junit

    file.write_text(junit(found))


KINDS: dict[str, Write] = {
    ".json": _json,
    ".html": _html,
    ".xlsx": _xlsx,
    ".docx": _docx,
    ".pdf": _pdf,
    ".prom": _prometheus,
    ".xml": _junit,
}
