"""An inspection of a whole cloud: a healthy one scores well, and the same each time; what can't be reached is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import Lab

pytestmark = pytest.mark.lab


def _configuration(lab: Lab, folder: Path) -> dict[str, Any]:
    """The lab's configuration, to be changed; `blue-wizard` uses the copy and a history of its own from now on."""
    lab.extra["BLUE_WIZARD_CONFIG"] = str(folder / "config.yaml")
    lab.extra["BLUE_WIZARD_STATE_DIR"] = str(folder / "state")
    found: dict[str, Any] = yaml.safe_load(Path(lab.env["BLUE_WIZARD_CONFIG"]).read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(found))
    return found


def _told(data: dict[str, Any]) -> set[tuple[str, str, str | None]]:
    return {(f["check"], f["object"], f["host"]) for f in data["findings"]}


def test_a_healthy_cloud(lab: Lab, tmp_path: Path) -> None:
    _configuration(lab, tmp_path)
    first = lab.json("inspect", "--profile", "weekly", "--deadline", "120")
    assert first["score"] >= 95, sorted(_told(first), key=str)
    assert first["coverage"] == 100, [c for c in first["checks"] if c["unknown"]]
    assert first["counts"]["critical"] == 0
    assert {c["status"] for c in first["checks"]} == {"pass", "fail", "skipped"}
    second = lab.json("inspect", "--profile", "weekly", "--deadline", "120")
    assert _told(second) == _told(first)
    assert not any(f["new"] for f in second["findings"])
    assert second["resolved"] == []


def test_a_host_that_is_dead_and_a_ceph_client_that_may_not_ask(lab: Lab, tmp_path: Path) -> None:
    spoilt = _configuration(lab, tmp_path)
    spoilt["hosts"]["cmp9"] = {"address": "10.99.0.99", "user": "root"}
    del spoilt["clouds"]["lab"]["ceph"]["inspect_client"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(spoilt))
    found = lab.json("inspect", "--deadline", "60", code=1)
    assert [f["host"] for f in found["findings"] if f["severity"] == "critical"] == ["cmp9"]
    status = {c["id"]: c["status"] for c in found["checks"]}
    assert status["host.unreachable"] == "fail"
    assert status["ceph.osd-nearfull"] == "unknown"
    assert status["ceph.flags"] == "pass"
    assert status["nova.service-down"] == "pass"
    assert found["coverage"] < 100
