"""Two workers on PostgreSQL; one dies in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from blue_wizard import config
from blue_wizard.jobs import client
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import State

from . import postgres
from .conftest import Toy

JOBS = 200
STEPS = 5
LIMITS = {"TOTAL": 8, "PER_TARGET": 3}
TARGETS = 4


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with postgres.running() as url:
        monkeypatch.setenv("BLUE_WIZARD_DATABASE_URL", url)
        for name, value in LIMITS.items():
            monkeypatch.setenv(f"BLUE_WIZARD_LIMITS__{name}", str(value))
        config.load.cache_clear()
        yield url
    config.load.cache_clear()


def _worker(folder: Path) -> subprocess.Popen[bytes]:
    folder.mkdir()
    with (folder / "out").open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "blue_wizard", "worker"],
            env={**os.environ, "BLUE_WIZARD_STATE_DIR": str(folder)},
            stdout=out,
            stderr=out,
        )


def test_a_worker_that_dies_is_noticed_and_nothing_is_done_twice(toy: Toy, database: str, tmp_path: Path) -> None:
    plans = [toy.plan(*(toy.step(f"j{i}s{s}") for s in range(STEPS)), target=f"t{i % TARGETS}") for i in range(JOBS)]
    jobs = [client.submit(plan, approved=True) for plan in plans]
    ledger = Ledger()
    workers = [_worker(tmp_path / f"seat{i}") for i in range(2)]
    try:
        toy.wait_for(lambda: len(ledger.workers()) == 2, "two workers")
        toy.wait_for(lambda: len(toy.effects()) > JOBS * STEPS // 4, "a quarter of the work", timeout=300)
        workers[0].send_signal(signal.SIGKILL)
        workers[0].wait()
        died, known = time.monotonic(), {w["id"] for w in ledger.workers()}
        toy.wait_for(lambda: len(ledger.workers()) < len(known), "the dead one to be noticed", timeout=60)
        noticed = time.monotonic() - died
        toy.wait_for(lambda: all(State(j["state"]).ended for j in ledger.jobs()), "all jobs to end", timeout=600)
    finally:
        for one in workers:
            if one.poll() is None:
                one.send_signal(signal.SIGTERM)
                one.wait(30)
    assert {j["id"] for j in ledger.jobs() if j["state"] == State.DONE} == set(jobs)
    effects = Counter(toy.effects())
    assert set(effects.values()) == {1}
    assert len(effects) == JOBS * STEPS
    assert noticed < 60
    most, per_target = _most_at_once(ledger)
    assert 1 < most <= LIMITS["TOTAL"]
    assert max(per_target.values()) <= LIMITS["PER_TARGET"]
    assert ledger.workers() == []
    print(f"noticed after {noticed:.0f} s; at most {most} jobs at once, {dict(per_target)} per target")


def _most_at_once(ledger: Ledger) -> tuple[int, Counter[str]]:
    """How many jobs ran at once, in all and against each target, by the ledger's own order of events."""
    target = {j["id"]: j["target"] for j in ledger.jobs()}
    running: set[str] = set()
    most, per_target = 0, Counter[str]()
    for event in ledger.events(list(target)):
        if event["kind"] != "state":
            continue
        if event["message"] == State.RUNNING:
            running.add(event["job"])
        elif State(event["message"]).ended:
            running.discard(event["job"])
        most = max(most, len(running))
        for name, count in Counter(target[j] for j in running).items():
            per_target[name] = max(per_target[name], count)
    return most, per_target
