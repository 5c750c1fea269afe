"""The checks of the how-to are what it claims."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from blue_wizard.facts.machine import Process, Processes
from blue_wizard.facts.probe import Reading
from blue_wizard.inspect import collect, facts, model
from blue_wizard.inspect.facts import Facts
from blue_wizard.inspect.runner import Status, judge

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "add-a-check.md"


def test_the_checks_of_a_plugin_take_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.M | re.S)
    (tmp_path / "my_checks.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("BLUE_WIZARD_PLUGINS", "my_checks")
    monkeypatch.setattr(model, "_registry", dict(model._registry))
    monkeypatch.setattr(facts, "_host_facts", dict(facts._host_facts))
    collect.register()
    known = {c.id: c for c in model.checks()}
    agent, licence = known["site.backup-agent"], known["site.licence"]
    (kind,) = licence.needs
    made = Facts(model.Now(0.0))
    for host, text in (("a", "7"), ("b", "90")):
        made.hosts[host] = {
            Processes: Processes((Process(1, "S", 1, 0, "/usr/bin/backup-agent"),) if host == "b" else ()),
            kind: facts.host_facts()[kind].parse({"show": Reading(text=text)}),
        }
    made.hosts["c"] = {Processes: Processes(), kind: facts.host_facts()[kind].parse({"show": Reading(absent=True)})}
    found = judge([agent, licence], made)
    assert [[f.host for f in o.findings] for o in found] == [["a", "c"], ["a"]]
    assert found[1].findings[0].message == "The licence ends in 7 days."
    assert all(o.status is Status.FAIL for o in found)
