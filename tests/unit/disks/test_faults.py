"""Every failure that is told of (`faults.FAULTS`) is tested, and the page in the docs tells of them all."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from . import test_faults_cluster, test_faults_disks, test_faults_work
from .faults import FAULTS

TRIED = (test_faults_cluster, test_faults_disks, test_faults_work)
DOCS = Path(__file__).parents[3] / "docs" / "reference"


def test_every_row_has_a_test() -> None:
    rows = {name.split("_")[1] for module in TRIED for name in vars(module) if re.match(r"test_a\d+(_|$)", name)}
    assert rows == set(FAULTS)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_table_in_the_docs(language: str) -> None:
    """The page says what is asserted here. BW_WRITE=1 writes the table anew."""
    file = DOCS / ("osd-faults.md" if language == "en" else "osd-faults.zh.md")
    at = 0 if language == "en" else 1
    lines = [f"| {key} | {row[at]} | {row[2 + at]} |" for key, row in FAULTS.items()]
    text = file.read_text()
    head, table, tail = re.split(r"(?<=\|---\|---\|---\|\n)((?:\| a\d.*\n)*)", text, maxsplit=1)
    wanted = "".join(f"{line}\n" for line in lines)
    if os.environ.get("BW_WRITE"):
        file.write_text(head + wanted + tail)
    else:
        assert table == wanted
