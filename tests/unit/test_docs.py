"""What the documents say exists: files, make targets, commands, options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from blue_wizard.cli import build

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "lab").glob("*.md")])
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
FENCE = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.M | re.S)


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _shell_lines(document: Path) -> list[str]:
    blocks = "\n".join(FENCE.findall(document.read_text())).replace("\\\n", " ")
    return [line.removeprefix("$ ").strip() for line in blocks.splitlines()]


def _commands(document: Path) -> list[str]:
    return [line for line in _shell_lines(document) if line.startswith("blue-wizard ")]


def test_links_lead_somewhere() -> None:
    broken = {
        (_id(document), link)
        for document in DOCUMENTS
        for link in LINK.findall(document.read_text())
        if not (document.parent / link).exists()
    }
    assert broken == set()


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.M))
    named = {(_id(d), name) for d in DOCUMENTS for name in re.findall(r"`make ([a-z-]+)`", d.read_text())}
    named |= {(_id(d), m[1]) for d in DOCUMENTS for line in _shell_lines(d) if (m := re.match(r"make ([a-z-]+)", line))}
    assert {(document, name) for document, name in named if name not in targets} == set()


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if _commands(d)], ids=_id)
def test_commands_parse(document: Path) -> None:
    app = build()
    for line in _commands(document):
        tokens = shlex.split(line, comments=True)[1:]
        tokens = tokens[: next((i for i, t in enumerate(tokens) if t in {"|", ">", "&&", ";"}), len(tokens))]
        if "--help" in tokens or not tokens:
            continue
        app.parse_args(_without_shared_options(tokens), exit_on_error=False, print_error=False)


def _without_shared_options(tokens: list[str]) -> list[str]:
    rest = list(tokens)
    for option in ("--lang", "--cloud", "--config"):
        while option in rest:
            at = rest.index(option)
            del rest[at : at + 2]
    return rest


def test_both_readmes_show_the_same_commands() -> None:
    english, chinese = (_shell_lines(ROOT / name) for name in ("README.md", "README.zh.md"))

    def strip(lines: list[str]) -> list[str]:
        return [re.sub(r"\s+#.*", "", line) for line in lines]

    assert strip(english) == strip(chinese)
    assert any(line.startswith("make demo") for line in english)


def test_exit_codes_of_the_readme_are_those_of_the_code() -> None:
    from blue_wizard import errors

    table = dict(re.findall(r"^\| (\d+) \| (.+?) \|$", (ROOT / "README.md").read_text(), re.M))
    assert set(table) == {"0", "1", "2", "3", "4", "5", "6", "130"}
    used = {cls.exit_code for cls in vars(errors).values() if isinstance(cls, type) and hasattr(cls, "exit_code")}
    assert {str(code) for code in used} <= set(table)
