"""Every check finds what it is for, finds nothing where all is well, and has a page in both languages."""

from __future__ import annotations

import importlib
import pkgutil
import re
import string
from collections.abc import Mapping
from pathlib import Path

import pytest

from blue_wizard import text
from blue_wizard.facts.volume import Volume, Volumes
from blue_wizard.inspect.model import Check, checks
from blue_wizard.inspect.runner import Status, judge

from . import cases
from .cases.base import CASES, facts_for

for _module in pkgutil.iter_modules(cases.__path__, f"{cases.__name__}."):
    importlib.import_module(_module.name)

ROOT = Path(__file__).resolve().parents[3]
CHECKS = checks()
IDS = [c.id for c in CHECKS]


def test_there_are_checks_and_each_has_a_case() -> None:
    assert len(CHECKS) >= 200
    assert sum(c.family == "cross" for c in CHECKS) >= 45
    assert sorted(CASES) == IDS


@pytest.mark.parametrize("check", CHECKS, ids=IDS)
def test_it_finds_what_it_is_for(check: Check) -> None:
    case = CASES[check.id]
    (outcome,) = judge([check], facts_for(check, case.bad))
    assert outcome.unknown == ()
    assert outcome.status is Status.FAIL
    if isinstance(case.finds, Mapping):
        worst: dict[str, str] = {}
        for f in sorted(outcome.findings, key=lambda f: (f.severity or check.severity).rank, reverse=True):
            worst[f.object] = (f.severity or check.severity).value
        assert worst == case.finds
    else:
        assert {f.object for f in outcome.findings} == set(case.finds)
    for finding in outcome.findings:
        assert finding.evidence, "a finding shows what was read"
        assert "{" not in finding.message
        fields = {name for _l, name, _s, _c in string.Formatter().parse(finding.remedy or check.remedy) if name}
        assert fields <= set(finding.values), "the remedy names what the finding does not give"


@pytest.mark.parametrize("check", CHECKS, ids=IDS)
def test_it_finds_nothing_where_all_is_well(check: Check) -> None:
    (outcome,) = judge([check], facts_for(check, CASES[check.id].good))
    assert outcome.unknown == ()
    assert [(f.object, f.message) for f in outcome.findings] == []
    assert outcome.status is Status.PASS


def test_the_target_of_a_migration_is_no_orphan() -> None:
    """Cinder lists no target of a migration; whoever followed the remedy would lose the volume."""
    check = next(c for c in CHECKS if c.id == "cross.image-without-volume")
    given = [
        Volumes((*f.rows, Volume("moving", migration="migrating"))) if isinstance(f, Volumes) else f
        for f in CASES[check.id].bad
    ]
    (outcome,) = judge([check], facts_for(check, given))
    assert outcome.findings == ()


@pytest.mark.parametrize("check", CHECKS, ids=IDS)
def test_it_is_one_file_of_its_own_with_its_name(check: Check) -> None:
    family, name = check.id.split(".")
    assert check.look.__module__ == f"blue_wizard.inspect.checks.{family}.{name.replace('-', '_')}"
    assert check.look.__doc__
    assert set(check.under) <= set(IDS) - {check.id}


@pytest.mark.parametrize("check", CHECKS, ids=IDS)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_it_has_a_page(check: Check, lang: str) -> None:
    page = ROOT / check.runbook.replace(".md", ".zh.md" if lang == "zh" else ".md")
    told = page.read_text()
    before = text.current()
    text.use(lang)
    try:
        assert told.startswith(f"# {check.id}: {text.translated(check.title)}\n")
        words = {"en": check.severity.value, "zh": text.translated(check.severity.value)}
    finally:
        text.use(before)
    assert f"**{words[lang]}**" in told
    assert f"`{check.profile.value}`" in told
    assert len(re.findall(r"^## ", told, re.M)) == 2
    if lang == "zh":
        assert len(re.findall(r"[\u4e00-\u9fff]", told)) > 40


def test_no_page_is_left_over() -> None:
    pages = {p.name.removesuffix(".md").removesuffix(".zh") for p in (ROOT / "docs" / "checks").glob("*.md")} - {
        "README"
    }
    assert pages == set(IDS)


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_index_names_every_check(name: str) -> None:
    told = (ROOT / "docs" / "checks" / name).read_text()
    ending = name.removeprefix("README")
    assert [c for c in IDS if f"[{c}]({c}{ending})" not in told] == []
