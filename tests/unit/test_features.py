"""What the documents call done or guarded against is shown by tests that exist, and both languages say the same."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FEATURES = {"en": ROOT / "docs/reference/features.md", "zh": ROOT / "docs/reference/features.zh.md"}
PITFALLS = {"en": ROOT / "docs/explanation/vmware-pitfalls.md", "zh": ROOT / "docs/explanation/vmware-pitfalls.zh.md"}
STATES = {"en": ("done", "in part", "not"), "zh": ("完成", "部分", "没有")}
COUNT = 60
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
NAMES_TEST = re.compile(r"tests/[\w/]*\w*\.py|::\w+")


@dataclass(frozen=True)
class Row:
    """A row of the table of features; `state` is 0 (done), 1 (in part) or 2 (not)."""

    number: int
    feature: str
    state: int
    tests: tuple[tuple[str, str], ...]
    how: str


def cells(line: str) -> list[str]:
    """The cells of a row of a table; none of any other line (pure)."""
    return [c.strip() for c in line.strip().strip("|").split("|")] if line.startswith("|") else []


def named(text: str) -> tuple[tuple[str, str], ...]:
    """The tests that a text names; a half-written name is an error (pure)."""
    found = TEST.findall(text)
    assert not NAMES_TEST.search(TEST.sub("", text)), f"no whole name of a test: {text}"
    return tuple(found)


def features(text: str, states: tuple[str, ...]) -> list[Row]:
    """The rows of the table (pure)."""
    rows = [c for c in map(cells, text.splitlines()) if c and c[0].isdigit()]
    assert all(len(c) == 5 for c in rows), [c for c in rows if len(c) != 5]
    return [Row(int(n), name, states.index(state), named(tests), how) for n, name, state, tests, how in rows]


def pitfalls(text: str) -> list[tuple[tuple[str, str], ...]]:
    """The tests of each row of the tables of pitfalls (pure)."""
    lines = [cells(line) for line in text.splitlines()]
    rules = {i for i, line in enumerate(lines) if line and set("".join(line)) == {"-"}}
    rows = [line for i, line in enumerate(lines) if line and not {i, i + 1} & rules]
    assert rows, "nothing was read"
    assert all(len(row) == 3 and named(row[2]) for row in rows), [
        r for r in rows if len(r) != 3 or not TEST.search(r[2])
    ]
    return [named(row[2]) for row in rows]


@cache
def functions(file: str) -> frozenset[str]:
    """The test functions of a file; empty when there is no such file."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    defined = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset(node.name for node in ast.parse(path.read_text()).body if isinstance(node, defined))


@cache
def marks(file: str) -> str:
    """What a file's tests are marked with, as source text."""
    found = [
        ast.unparse(node.value)
        for node in ast.parse((ROOT / file).read_text()).body
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets)
    ]
    return " ".join(found)


def table(language: str) -> list[Row]:
    return features(FEATURES[language].read_text(), STATES[language])


@pytest.mark.parametrize("language", FEATURES)
def test_every_feature_has_one_row(language: str) -> None:
    assert sorted(row.number for row in table(language)) == list(range(1, COUNT + 1))


@pytest.mark.parametrize("language", FEATURES)
def test_what_is_done_is_shown_and_what_is_not_claims_nothing(language: str) -> None:
    rows = table(language)
    assert [r.number for r in rows if r.state == 0 and not (r.tests and r.how)] == []
    assert [r.number for r in rows if r.state != 0 and r.tests] == []
    # Half of something is only told by what the other half is.
    assert [r.number for r in rows if r.state == 1 and not r.how] == []


def test_both_languages_say_the_same() -> None:
    english, chinese = ([(r.number, r.state, r.tests) for r in table(language)] for language in ("en", "zh"))
    assert english == chinese
    assert pitfalls(PITFALLS["en"].read_text()) == pitfalls(PITFALLS["zh"].read_text())


@pytest.mark.parametrize("document", [*FEATURES.values(), *PITFALLS.values()], ids=lambda p: p.name)
def test_named_tests_exist(document: Path) -> None:
    found = TEST.findall(document.read_text())
    assert found
    assert [f"{file}::{name}" for file, name in found if name not in functions(file)] == []
    assert [name for _file, name in found if not name.startswith("test_")] == []


def test_tests_that_need_the_lab_are_known_by_their_folder() -> None:
    texts = [document.read_text() for document in (*FEATURES.values(), *PITFALLS.values())]
    files = {file for text in texts for file, _name in TEST.findall(text)}
    assert {f for f in files if "mark.lab" in marks(f)} == {f for f in files if f.startswith("tests/lab/")}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("| 1 | a | done | `tests/unit/test_features.py::test_every_feature_has_one_row` | so |", None),
        ("| 1 | a | done | tests/unit/test_features.py::test_every_feature_has_one_row | so |", "no whole name"),
        ("| 1 | a | done | `tests/unit/test_features.py` | so |", "no whole name"),
        ("| 1 | a | done | so |", "'done'"),
    ],
)
def test_a_row_is_read_or_refused(line: str, said: str | None) -> None:
    if said is None:
        assert [r.number for r in features(f"text\n{line}\n", STATES["en"])] == [1]
        return
    with pytest.raises(AssertionError, match=said):
        features(line, STATES["en"])


def test_a_pitfall_without_a_test_is_refused() -> None:
    head = "| what goes wrong | what we do | test |\n|---|---|---|\n"
    good = "| a | b | `tests/unit/test_features.py::test_every_feature_has_one_row` |\n"
    assert len(pitfalls(head + good + "\n" + head + good)) == 2
    with pytest.raises(AssertionError, match="'c'"):
        pitfalls(head + good + "| c | d | |\n")


def test_an_unknown_state_is_no_state() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        features("| 1 | a | nearly | | |", STATES["en"])
