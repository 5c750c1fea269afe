"""Limits with a real worker: over jobs and their parts, and over a rest; and jobs that come when a worker is about to end."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from blue_wizard.jobs import client
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import State

from .conftest import Toy


def test_who_comes_back_from_a_rest_waits_for_a_place(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUE_WIZARD_LIMITS__TOTAL", "1")
    first = client.submit(toy.plan(toy.step("a", hold=str(toy.folder / "go-a"), pauses=True)), approved=True)
    client.ensure_worker()
    toy.wait_for((toy.folder / "a.begun").exists, "the first job to begin")
    client.pause(first)
    assert client.wait(first) is State.PAUSED
    second = client.submit(toy.plan(toy.step("b", hold=str(toy.folder / "go-b"))), approved=True)
    toy.wait_for((toy.folder / "b.begun").exists, "the second job to take the place")
    (toy.folder / "go-a").touch()
    client.resume(first)
    toy.wait_for(lambda: Ledger().job(first)["state"] == State.QUEUED, "the first job to queue")
    # A worker that dies now must not forget that it queues.
    toy.kill_worker()
    client.ensure_worker()
    toy.wait_for(lambda: Ledger().job(second)["state"] == State.RUNNING, "the second job to go on")
    assert toy.effects() == []
    (toy.folder / "go-b").touch()
    assert client.wait(first) is State.DONE
    assert client.wait(second) is State.DONE
    assert toy.effects() == ["make b", "make a"]


def test_parts_of_two_jobs_share_a_datastore(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUE_WIZARD_LIMITS__KINDS", json.dumps({"datastore": 1}))
    waves = []
    for wave in "vw":
        parts = (toy.plan(toy.step(f"{wave}{i}", seconds=0.2), target=f"{wave}{i}") for i in range(3))
        waves.append(toy.plan(children=tuple(replace(p, uses=("datastore:d1",)) for p in parts)))
    jobs = [client.submit(plan, approved=True) for plan in waves]
    client.ensure_worker()
    assert {client.wait(job) for job in jobs} == {State.DONE}
    ledger = Ledger()
    parts = [c["id"] for job in jobs for c in ledger.jobs(parent=job)]
    story = [e for e in ledger.events(parts) if e["kind"] == "state" and e["message"] in {State.RUNNING, State.DONE}]
    assert [e["message"] for e in story] == [State.RUNNING, State.DONE] * 6
    ended = [e["job"] for e in story if e["message"] == State.DONE]
    for job in jobs:
        assert [p for p in ended if p.startswith(f"{job}.")] == [f"{job}.{i}" for i in (1, 2, 3)]


def test_a_job_that_comes_while_an_idle_worker_ends_is_not_forgotten(toy: Toy) -> None:
    for number, delay in enumerate((0.0, 0.1, 0.2, 0.3, 0.5)):
        job = client.submit(toy.plan(toy.step(f"s{number}")), approved=True)
        client.ensure_worker()
        assert client.wait(job, poll_s=0.02) is State.DONE
        time.sleep(delay)
    assert toy.effects() == [f"make s{number}" for number in range(5)]
