"""Every code has a page, every page a code, and the index is that of the pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from blue_wizard.diagnose import causes
from tests.unit.diagnose.cases import CASES, FINDINGS, load

load()
ROOT = Path(__file__).resolve().parents[3]
PAGES = ROOT / "docs" / "causes"
SOURCES = ROOT / "src" / "blue_wizard" / "diagnose"
FAMILIES = "|".join(sorted({c.partition(".")[0] for c in causes.CODES}))


def test_every_code_of_the_rules_is_listed() -> None:
    text = "\n".join(f.read_text() for f in SOURCES.rglob("*.py") if f.name != "causes.py")
    said = set(re.findall(rf'"((?:{FAMILIES})\.[a-z][a-z-]+[a-z])"', text))
    assert said, "nothing was found: the test looks in the wrong place"
    assert said - set(causes.CODES) == set()


def test_every_code_that_a_fault_leads_to_is_listed() -> None:
    assert {c[3] for c in CASES} | {f[3] for f in FINDINGS} <= set(causes.CODES)


def test_every_code_of_ovn_has_a_fault_on_recorded_facts() -> None:
    ours = {c for c in causes.CODES if c.startswith("ovn.")}
    assert ours
    assert ours - {c[3] for c in CASES} - {f[3] for f in FINDINGS} == set()


def test_pages_and_codes_are_the_same() -> None:
    assert {p.stem for p in PAGES.glob("*.md")} - {"README", "README.zh"} == set(causes.CODES)


@pytest.mark.parametrize("code", causes.CODES)
def test_a_page_says_what_is_needed(code: str) -> None:
    text = (PAGES / f"{code}.md").read_text()
    assert text.startswith(f"# `{code}`: ")
    for part in ("**Prove it by hand**", "**Remedy.**", "**Risk.**", "**处理方法**", "**风险**"):
        assert part in text


@pytest.mark.parametrize(("language", "file"), [("en", "README.md"), ("zh", "README.zh.md")])
def test_the_index_is_up_to_date(language: str, file: str) -> None:
    assert (PAGES / file).read_text() == causes.index(PAGES, language), (
        "run: python -m blue_wizard.diagnose.causes docs/causes"
    )
