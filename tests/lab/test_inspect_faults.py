"""Planted faults of the platform's health against `inspect`: each is found, under the right object, and nothing is left behind.

`make test-inspect` runs all of them and prints the table. `BW_INSPECT_KEEP=1` leaves the stage for the next run,
`BW_INSPECT_TABLE` names a file for the table.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.faults import journal
from lab.faults.dumps import differences
from lab.health import Planting, load, stage
from lab.health.command import plant
from lab.health.dumps import dumps
from lab.health.verdicts import Judged, judge, table
from tests.drawn import seed

from .conftest import ROOT, Lab, until

pytestmark = pytest.mark.lab
SEED = seed()
PLANTINGS = list(load().values())
_draw = random.Random(SEED)  # noqa: S311
# Those that need neither a stage nor somebody who comes back to life.
QUICK = ["ghost-domain", "disk-missing", "noout-left", "osd-nearly-full", "ratio-raised", "pool-of-one-copy",
         "pool-without-application", "pool-odd-groups", "pool-over-osds", "crash", "class-lost"]  # fmt: skip
TODAY = set(_draw.sample(QUICK, 3))
KILLED = ["disk-full", "orphan-image", "two-zones", "queue-too-long"]


@pytest.fixture(scope="module")
def nothing_planted(_environment: dict[str, str]) -> Iterator[None]:
    """Nothing is planted, before and after."""
    journal.heal()
    yield
    journal.heal()


@pytest.fixture(scope="module")
def staged(nothing_planted: None) -> Iterator[None]:
    """The server, volume, image and port that most are planted on."""
    stage.make()
    yield
    journal.heal()
    if not os.environ.get("BW_INSPECT_KEEP"):
        stage.remove()


@pytest.fixture(scope="module")
def matrix(request: pytest.FixtureRequest) -> Iterator[list[Judged]]:
    """All that was judged, printed at the end."""
    rows: list[Judged] = []
    yield rows
    text = table(rows)
    if file := os.environ.get("BW_INSPECT_TABLE"):
        Path(file).write_text(text + "\n")
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        print(f"\nseed {SEED}\n{text}")


def _healed() -> None:
    """Heal; a planting that left something else than it found fails, once it is out."""
    try:
        journal.heal()
    finally:
        assert not journal.planted()


def _look(lab: Lab, planting: Planting, matrix: list[Judged]) -> Judged:
    ground = plant(planting)
    try:
        began = time.monotonic()
        found = lab.json("inspect", "--only", planting.check, "--deadline", "60", "--no-history", code=None)
        matrix.append(judge(planting, ground, found, seconds=time.monotonic() - began))
    finally:
        _healed()
    return matrix[-1]


@pytest.mark.parametrize("planting", [pytest.param(p, id=p.name) for p in PLANTINGS if p.name in TODAY])
def test_planting_of_today(lab: Lab, nothing_planted: None, matrix: list[Judged], planting: Planting) -> None:
    assert _look(lab, planting, matrix).found, table(matrix[-1:])


@pytest.mark.slow
@pytest.mark.parametrize("planting", [pytest.param(p, id=p.name) for p in PLANTINGS if p.name not in TODAY])
def test_planting(lab: Lab, staged: None, matrix: list[Judged], planting: Planting) -> None:
    assert _look(lab, planting, matrix).found, table(matrix[-1:])


@pytest.mark.slow
@pytest.mark.parametrize("name", KILLED)
@pytest.mark.parametrize("after_s", [0.0, 0.4])
def test_healed_after_a_kill(nothing_planted: None, name: str, after_s: float) -> None:
    """Whoever plants is killed right after it was written down, or a moment later; another one heals it."""
    before = dumps()
    command = [ROOT / "lab" / "lab", "fault", "inject", name]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        until(lambda: journal.planted() or run.poll() is not None, "it to be written down", timeout=60)
        time.sleep(after_s)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    assert journal.heal() == [name]
    assert differences(before, dumps()) == []


@pytest.mark.slow
def test_ten_healthy_runs_differ_in_nothing(lab: Lab, nothing_planted: None) -> None:
    told = []
    for _ in range(10):
        found = lab.json("inspect", "--profile", "weekly", "--deadline", "120")
        assert found["coverage"] == 100, [c for c in found["checks"] if c["unknown"]]
        assert found["counts"]["critical"] == 0
        assert found["score"] >= 95
        findings = [(f["check"], f["object"], f["host"], f["severity"], f["message"]) for f in found["findings"]]
        told.append((found["score"], [(c["id"], c["status"]) for c in found["checks"]], findings))
    assert all(one == told[0] for one in told), [set(map(str, one[2])) ^ set(map(str, told[0][2])) for one in told]
    assert not [f for f in found["findings"] if f["new"]]
