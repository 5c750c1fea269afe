from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab import site
from lab.parts import load

TEMPLATES = sorted(p.name for p in (Path(site.__file__).parent / "templates").glob("[!_]*"))


def test_parts_need_only_parts_and_never_each_other() -> None:
    parts = load()
    order: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path, name])
        for need in parts[name].needs:
            visit(need, (*path, name))
        order.append(name)

    for name in parts:
        visit(name, ())
    assert order


@pytest.mark.parametrize("template", TEMPLATES)
def test_templates_are_filled_whole(template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "STATE", tmp_path)
    site.passwords.cache_clear()
    names = ("HOST", "ADDRESS", "UNDERLAY", "FIREWALL", "SECRET", "FSID", "UUID", "LOG", "FOLDER", "LISTEN")
    text = site.fill(template, **{n: f"value-of-{n.lower()}" for n in names})
    site.passwords.cache_clear()
    assert not re.search(r"\{\{|@@", text)
    assert (tmp_path / "passwords.json").stat().st_mode & 0o777 == 0o600
