"""The check and the configuration of the how-to are what they claim."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from blue_wizard import config
from blue_wizard.doctor import model
from blue_wizard.doctor.runner import run

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "reach-hosts.md"


def _blocks(language: str) -> list[str]:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT.read_text(), re.M | re.S)
    return found


def test_the_configuration_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("".join(_blocks("yaml")))
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
    config.load.cache_clear()
    loaded = config.load()
    assert loaded.hosts["cmp1"].jump == "bastion"
    assert loaded.inventory.ceph_orch == "ceph1"
    assert set(yaml.safe_load(file.read_text())) == {"ssh", "hosts", "inventory"}


def test_the_check_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BLUE_WIZARD_STATE_DIR", str(tmp_path))
    config.load.cache_clear()
    (code,) = _blocks("python")
    try:
        (tmp_path / "my_licence.py").write_text(code)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("BLUE_WIZARD_PLUGINS", "my_licence")
        assert "licence" in [c.id for c in model.checks()]
        (found,) = run([model._registry["licence"]], model.Site(config.load()))
        assert [(line.status.value, line.remedy) for line in found.lines] == [("failed", "Copy it there.")]
    finally:
        model._registry.pop("licence", None)
