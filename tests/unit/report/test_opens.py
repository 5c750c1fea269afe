"""Reports open in an office suite without a fault, in both languages: LibreOffice turns each into a PDF, whose text is read."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from blue_wizard import text
from blue_wizard.inspect.history import History
from blue_wizard.inspect.result import assemble
from blue_wizard.report import inspection_files, migrate_files
from blue_wizard.report.stats import formats
from blue_wizard.stats import run
from blue_wizard.stats.history import History as Numbers
from blue_wizard.stats.platform import DAY_S
from tests.unit.inspect.test_reports import _run, _server
from tests.unit.report.test_migrate_files import VIEWS
from tests.unit.stats.clouds import recorded

SAID = {
    "en": {"inspect": "inERROR:Novalidhost", "stats": "Hosts", "migrate": "shop"},
    "zh": {"inspect": "处于ERROR：Novalidhost", "stats": "主机", "migrate": "shop"},
}
FAULTS = ("Err:", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!")


def _write(folder: Path) -> None:
    history = History(folder / "inspections.db")
    assemble(_run(1000.0, _server("old")), cloud="c", profile="quick", history=history)
    inspection = assemble(_run(2000.0, _server("a"), _server("b")), cloud="c", profile="quick", history=history)
    for suffix in ("xlsx", "docx", "html", "pdf"):
        file = folder / f"inspect-{suffix}.{suffix}"
        inspection_files.writer(file)(inspection, file)
    snapshot, known = recorded(), Numbers(folder / "stats.db")
    for day in range(1, 15):
        known.keep("lab", snapshot.moment - day * DAY_S, {"hosts.vcpus.used": 30.0 - day})
    report = run.report(snapshot, (), known)
    for suffix in ("xlsx", "html"):
        formats.write(report, folder / f"stats-{suffix}.{suffix}")
    file = folder / "migrate-xlsx.xlsx"
    migrate_files.writer(file)(VIEWS, file)


@pytest.fixture(scope="module", params=["en", "zh"])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The language, and the folder with the reports and what LibreOffice made of them."""
    folder = tmp_path_factory.mktemp(f"reports-{request.param}")
    before = text.current()
    text.use(request.param)
    try:
        _write(folder)
    finally:
        text.use(before)
    files = [f for f in folder.iterdir() if f.suffix in {".xlsx", ".docx", ".html"}]
    argv = ["soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless", "--convert-to", "pdf"]
    done = subprocess.run(
        [*argv, "--outdir", folder / "pdf", *sorted(files)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return request.param, folder


def _pages(file: Path) -> int:
    told = subprocess.run(["pdfinfo", file], capture_output=True, text=True, check=True).stdout
    return int(next(x for x in told.splitlines() if x.startswith("Pages:")).split()[1])


def _text(file: Path) -> str:
    """All that it says, without white space: words of a narrow column lie on lines of their own."""
    said = subprocess.run(["pdftotext", file, "-"], capture_output=True, text=True, check=True).stdout
    return "".join(said.split())


@pytest.mark.parametrize(
    "name", ["inspect-xlsx", "inspect-docx", "inspect-html", "stats-xlsx", "stats-html", "migrate-xlsx"]
)
def test_it_opens(opened: tuple[str, Path], name: str) -> None:
    lang, folder = opened
    told = _text(folder / "pdf" / f"{name}.pdf")
    assert SAID[lang][name.partition("-")[0]] in told
    assert not [fault for fault in FAULTS if fault in told]


@pytest.mark.parametrize("name", ["inspect-xlsx", "migrate-xlsx"])
def test_a_small_sheet_is_one_page(opened: tuple[str, Path], name: str) -> None:
    _lang, folder = opened
    with zipfile.ZipFile(folder / f"{name}.xlsx") as book:
        sheets = [n for n in book.namelist() if n.startswith("xl/worksheets/sheet")]
    assert _pages(folder / "pdf" / f"{name}.pdf") == len(sheets)


def test_our_own_pdf_says_the_same(opened: tuple[str, Path]) -> None:
    lang, folder = opened
    told = _text(folder / "inspect-pdf.pdf")
    assert SAID[lang]["inspect"] in told
    fonts = subprocess.run(["pdffonts", folder / "inspect-pdf.pdf"], capture_output=True, text=True, check=True).stdout
    embedded = [line.split()[-5] for line in fonts.splitlines()[2:]]
    assert embedded
    assert set(embedded) == {"yes"}
