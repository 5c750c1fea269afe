"""The report of a wave as files, from views as `jobs.client.show` gives them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.errors import InputError
from blue_wizard.report.migrate_files import sheets, writer

GIB = 1 << 30
EVIL = "=cmd|' /C calc'!A0 <script>"
DISK = {
    "source": "2000",
    "size": 3 * GIB,
    "moved": GIB,
    "seconds": 9.5,
    "sha256": "ab" * 32,
    "target": "rbd:p/volume-1",
}
VMS: list[dict[str, Any]] = [
    {
        "name": "shop", "job": "j1.0", "source": "vsphere://vc/", "server_id": "s-1", "state": "done", "error": None,
        "addresses": ["10.0.0.5", "10.0.0.6"], "answers": {"10.0.0.5": "answers"}, "downtime_s": 21.5, "took_s": 99.0,
        "disks": [DISK, {**DISK, "source": "2001"}],
    },
    {
        "name": EVIL, "job": "j1.1", "source": "vsphere://vc/", "server_id": None, "state": "rolled-back", "error": "no <b>",
        "addresses": [], "answers": {}, "downtime_s": None, "took_s": 3.0,
        "disks": [{**DISK, "moved": None, "seconds": None, "sha256": None, "target": None}],
    },
]  # fmt: skip
VIEWS = [{"job": "j1", "started": 1.0, "ended": 200.0, "report": {"vms": VMS}}]


def test_the_numbers_of_the_summary() -> None:
    summary = dict(row[:2] for row in sheets(VIEWS)[0].rows)
    assert summary["machines"] == 2
    assert (summary["disks"], summary["disks that were verified"]) == (3, 2)
    assert summary["GiB moved"] == 2.0
    assert summary["longest downtime, s"] == 21.5


def test_a_job_that_runs_has_no_end() -> None:
    views = [*VIEWS, {"job": "j2", "started": 5.0, "ended": None, "report": {"vms": []}}]
    assert dict(row[:2] for row in sheets(views)[0].rows)["ended"] is None


def test_a_workbook_whose_names_are_no_formulas(tmp_path: Path) -> None:
    file = tmp_path / "wave.xlsx"
    writer(file)(VIEWS, file)
    with zipfile.ZipFile(file) as book:
        parts = {name: book.read(name).decode() for name in book.namelist() if name.endswith(".xml")}
    assert len([n for n in parts if n.startswith("xl/worksheets/")]) == 3
    assert not any("<f>" in text for text in parts.values())
    strings = parts["xl/sharedStrings.xml"]
    assert "=cmd|" in strings
    assert "ab" * 32 in strings
    # Numbers are numbers, so that they can be added up.
    assert "<v>21.5</v>" in parts["xl/worksheets/sheet2.xml"]


def test_a_page_in_which_names_are_no_markup(tmp_path: Path) -> None:
    file = tmp_path / "wave.html"
    writer(file)(VIEWS, file)
    page = file.read_text()
    assert "<script>" not in page
    assert "no &lt;b&gt;" in page
    assert '<td class="good">done</td>' in page
    assert page.count('class="bad"') == 1


def test_data_names_the_job_of_each_machine(tmp_path: Path) -> None:
    file = tmp_path / "wave.json"
    writer(file)(VIEWS, file)
    assert [vm["root"] for vm in json.loads(file.read_text())["vms"]] == ["j1", "j1"]


@pytest.mark.parametrize("name", ["wave.doc", "wave", "no-such-folder/wave.xlsx"])
def test_what_can_not_be_written_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        writer(tmp_path / name)
