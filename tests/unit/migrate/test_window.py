"""The maintenance window of a wave: in its file, or named at the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from blue_wizard.commands import migrate
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Plan, State
from blue_wizard.migrate import operation, wave

TEXT = """
source: files:///images
cloud: lab
vms:
- {id: a, name: a, vcpus: 1, memory: 512, disks: [{id: a.raw, size: 1048576, boot: true}]}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BLUE_WIZARD_STATE_DIR", str(tmp_path / "state"))
    made = tmp_path / "wave.yaml"
    made.write_text(TEXT + "window: night\n")
    return made


def test_the_window_of_the_run_wins_over_the_waves(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[wave.Wave] = []

    def compiled(waves: list[wave.Wave], _counted: object) -> Plan:
        seen.extend(waves)
        return Plan("w", operation.OPERATION)

    monkeypatch.setattr(operation, "compile_waves", compiled)
    migrate._compile((file,))
    migrate._compile((file,), "weekend")
    assert [w.window for w in seen] == ["night", "weekend"]


def test_a_wave_is_found_again_although_its_rate_was_named_at_the_run(file: Path) -> None:
    params = {"waves": [wave.for_run(wave.read(file), max_rate="20M").model_dump(mode="json")]}
    plan = Plan("w", operation.OPERATION, params=params)
    Ledger().add({id(plan): "m-1"}, plan, State.QUEUED, locks=[])
    assert migrate._jobs_of(str(file)) == ["m-1"]


def test_a_wave_is_found_again_although_its_window_was_named_at_the_run(file: Path) -> None:
    params = {"waves": [{**wave.read(file).model_dump(mode="json"), "window": "weekend"}]}
    plan = Plan("w", operation.OPERATION, params=params)
    Ledger().add({id(plan): "m-1"}, plan, State.QUEUED, locks=[])
    # A job of a version that knew no windows.
    older = Plan("w", operation.OPERATION, params={"waves": [{**params["waves"][0]} | {"window": ""}]})
    del older.params["waves"][0]["window"]
    Ledger().add({id(older): "m-2"}, older, State.QUEUED, locks=[])
    assert migrate._jobs_of(str(file)) == ["m-1", "m-2"]
