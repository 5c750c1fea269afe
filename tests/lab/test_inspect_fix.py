"""`inspect fix` on debris that was planted: it goes, the finding with it, and a rollback brings it back as it was."""

from __future__ import annotations

from typing import Any

import pytest

from lab.faults import journal
from lab.health import named, stage
from lab.health.command import plant

from .conftest import Lab

pytestmark = pytest.mark.lab


def _objects(lab: Lab, check: str) -> set[str]:
    found: dict[str, Any] = lab.json("inspect", "--only", check, "--deadline", "60", "--no-history", code=None)
    assert not [u for c in found["checks"] for u in c["unknown"]]
    return {f["object"] for f in found["findings"]}


def _fixed_and_taken_back(lab: Lab, name: str) -> None:
    journal.heal()
    planting = named(name)
    ground = plant(planting)
    wanted = planting.object.format(**ground.names())
    try:
        job = lab.json("inspect", "fix", planting.check, wanted, "--yes")
        assert job["state"] == "done"
        assert [s["verb"].partition(".")[0] for s in job["steps"]] == ["mend"]
        assert wanted not in _objects(lab, planting.check)
        lab.bw("job", "rollback", job["job"], "--yes")
        assert wanted in _objects(lab, planting.check)
    finally:
        # All that it compares is as before: the rollback has brought back just what was planted.
        journal.heal()


# Those that need no stage.
@pytest.mark.drawn("debris")
@pytest.mark.parametrize("name", ["ghost-domain", "orphan-image", pytest.param("orphan-disk", marks=pytest.mark.slow)])
def test_debris_goes_and_comes_back(lab: Lab, name: str) -> None:
    _fixed_and_taken_back(lab, name)


@pytest.mark.slow
def test_a_leaked_allocation_is_given_back(lab: Lab) -> None:
    stage.make()
    try:
        _fixed_and_taken_back(lab, "leaked-allocation")
    finally:
        stage.remove()


def test_nothing_to_fix_is_refused_and_touches_nothing(lab: Lab) -> None:
    lab.bw("inspect", "fix", "cross.image-without-volume", "volumes/volume-of-nobody", code=3)
    lab.bw("inspect", "fix", "cross.server-twice", code=2)
