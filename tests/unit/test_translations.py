"""Every user-visible text has a Chinese one, with the same placeholders, and none is left over."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

SRC = Path(__file__).resolve().parents[2] / "src" / "blue_wizard"
CATALOGUE = SRC / "locale" / "zh_CN" / "LC_MESSAGES" / "blue_wizard.po"


@pytest.fixture(scope="module")
def used() -> dict[str, str]:
    """Message to the place where it is used."""
    found = extract_from_dir(SRC, method_map=[("**.py", "python")], keywords={"_": None, "N_": None})
    return {str(message): f"{file}:{line}" for file, line, message, *_ in found if message}


@pytest.fixture(scope="module")
def catalogue() -> Catalog:
    with CATALOGUE.open("rb") as f:
        return read_po(f, locale="zh_CN", abort_invalid=True)


def test_no_message_is_missing(used: dict[str, str], catalogue: Catalog) -> None:
    assert used, "nothing was extracted: the test looks in the wrong place"
    known = {str(m.id) for m in catalogue if m.id and m.string and not m.fuzzy}
    assert {m: at for m, at in used.items() if m not in known} == {}


def test_no_message_is_left_over(used: dict[str, str], catalogue: Catalog) -> None:
    assert sorted({str(m.id) for m in catalogue if m.id} - set(used)) == []


def test_placeholders_agree(catalogue: Catalog) -> None:
    def names(text: str) -> list[str]:
        return sorted(re.findall(r"\{([a-z_0-9]*)[!:}]", text))

    wrong = [m.id for m in catalogue if m.id and names(str(m.id)) != names(str(m.string))]
    assert wrong == []


def test_messages_are_literals() -> None:
    """`_(f"...")` and `_(variable)` can't be translated: nothing would extract them."""
    wrong = []
    for file in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"_", "N_"}:
                arg = node.args[0] if node.args else None
                if not (isinstance(arg, ast.Constant) and isinstance(arg.value, str)):
                    wrong.append(f"{file.relative_to(SRC)}:{node.lineno}")
    assert wrong == []
