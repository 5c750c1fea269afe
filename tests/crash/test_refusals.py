"""What is refused at the command line: its own message and exit code each, nothing touched, nothing lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from blue_wizard import config
from blue_wizard.jobs import client, worker
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Gate, State

from .conftest import Toy

HOST = {"kind": "maintenance", "domain": "rack:r1", "keep": True}


def _say(*argv: str) -> tuple[int, str]:
    """The exit code of a command, and everything that it told."""
    done = subprocess.run(
        [sys.executable, "-m", "blue_wizard", *argv], capture_output=True, text=True, check=False, timeout=120
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def _adding(toy: Toy, name: str, **params: Any) -> list[str]:
    file = toy.folder / f"{name}.json"
    file.write_text(json.dumps({"folder": str(toy.folder), **params}))
    (toy.folder / "wanted").write_text("a")
    how = ["--cron", "0 3 1 1 *", "--operation", "toy.wanted", "--params", str(file), "--yes"]
    return ["schedule", "add", name, *how]


def _schedule(toy: Toy, name: str, **params: Any) -> None:
    """A way to the same toys for each name, as an operator has one for each recurring operation."""
    assert _say(*_adding(toy, name, **params))[0] == 0


def test_a_wrong_digest(toy: Toy) -> None:
    job = client.submit(toy.plan(toy.step("a")), approved=False)
    code, told = _say("job", "approve", job, "--digest", "0" * 64)
    assert code == 3
    assert f"The plan of job {job} is not the one that was approved" in told
    assert Ledger().job(job)["state"] == State.PLANNED
    assert Ledger().approvals(job) == []
    assert toy.effects() == []


def test_a_question_that_was_answered_already(toy: Toy) -> None:
    job = client.submit(toy.plan(replace(toy.step("a"), gate=Gate("Is the disk in?"))), approved=True)
    client.ensure_worker()
    toy.wait_for(lambda: Ledger().gates(job=job), "the question")
    assert _say("job", "answer", job, "maybe")[0] == 2
    assert _say("job", "answer", job, "yes")[0] == 0
    code, told = _say("job", "answer", job, "no")
    assert code == 3
    assert "answered already: yes" in told
    assert toy.effects() == ["make a"]
    assert Ledger().job(job)["state"] == State.DONE


def test_a_second_holder_of_a_lock(toy: Toy) -> None:
    first = client.submit(
        toy.plan(replace(toy.step("x", hold=str(toy.folder / "go")), locks=("host:cmp1",))), approved=True
    )
    client.ensure_worker()
    toy.wait_for((toy.folder / "x.begun").exists, "the first job to begin")
    _schedule(toy, "second", locks=["host:cmp1"])
    code, told = _say("schedule", "run", "second")
    assert code == 3
    assert f"host:cmp1 is in the hands of job {first}" in told
    assert toy.effects() == []
    assert [j["id"] for j in Ledger().jobs()] == [first]
    (toy.folder / "go").touch()
    assert client.wait(first) is State.DONE
    assert _say("schedule", "run", "second")[0] == 0
    assert toy.effects() == ["make x", "make a"]


def test_a_second_claim_in_a_failure_domain_even_after_the_first_job(toy: Toy) -> None:
    _schedule(toy, "first", claims=[{**HOST, "member": "host:cmp1"}])
    _schedule(toy, "second", claims=[{**HOST, "member": "host:cmp2"}])
    assert _say("schedule", "run", "first")[0] == 0
    (first,) = [j["id"] for j in Ledger().jobs()]
    code, told = _say("schedule", "run", "second")
    assert code == 3
    assert f"job {first} holds host:cmp1 in rack:r1" in told
    assert len(Ledger().jobs()) == 1
    assert toy.effects() == ["make a"]
    assert "host:cmp1" in _say("job", "claims")[1]
    assert _say("job", "release", first)[0] == 2  # nobody can be asked
    assert _say("job", "release", first, "--yes")[0] == 0
    assert _say("job", "release", first, "--yes")[0] == 3
    assert _say("schedule", "run", "second")[0] == 0


def _windows(toy: Toy, monkeypatch: pytest.MonkeyPatch, opens_in: timedelta) -> None:
    begin = datetime.now(UTC) + opens_in
    night = {"from": f"{begin:%H:%M}", "to": f"{begin + timedelta(hours=2):%H:%M}"}
    file = toy.folder / "config.yaml"
    file.write_text(json.dumps({"windows": {"night": night}}))
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
    config.load.cache_clear()


def test_a_job_outside_its_window_rests_over_restarts_and_can_be_cancelled(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    _windows(toy, monkeypatch, timedelta(hours=9))
    _schedule(toy, "nightly", window="night")
    code, told = _say("schedule", "run", "nightly")
    assert code == 4
    assert "waits for its maintenance window night" in told
    assert "It goes on by itself at" in told
    (job,) = [j["id"] for j in Ledger().jobs()]
    for number in (signal.SIGKILL, signal.SIGTERM):
        toy.kill_worker(number)
        assert _say("job", "resume", job)[0] == 4
    assert toy.effects() == []
    assert Ledger().job(job)["state"] == State.PAUSED
    assert _say("job", "cancel", job)[0] == 130
    assert toy.effects() == []


def test_inside_its_window_a_job_runs_and_a_window_that_is_not_there_is_named(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    _windows(toy, monkeypatch, timedelta(hours=-1))
    _schedule(toy, "nightly", window="night")
    assert _say("schedule", "run", "nightly")[0] == 0
    assert toy.effects() == ["make a"]
    code, told = _say(*_adding(toy, "lost", window="nights"))
    assert code == 2
    assert "no maintenance window called nights" in told


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("corrupted", "not a database"),
        ("directory", "unable to open"),
        ("refuses", "refused"),
    ],
)
def test_a_database_that_can_not_be_used(toy: Toy, monkeypatch: pytest.MonkeyPatch, kind: str, word: str) -> None:
    job = client.submit(toy.plan(toy.step("a")), approved=False)
    file = config.load().state_dir / "ledger.db"
    kept: Mapping[Path, bytes] = {p: p.read_bytes() for p in file.parent.glob("ledger.db*")}
    if kind == "refuses":
        monkeypatch.setenv("BLUE_WIZARD_DATABASE_URL", "postgresql://bw:swordfish-pg-1@127.0.0.1:1/bw")
    else:
        for path in kept:
            path.unlink()
        if kind == "directory":
            file.mkdir()
        else:
            file.write_bytes(b"no database at all " * 99)
    for argv in (["job", "list"], ["job", "approve", job], ["worker", "--until-idle"]):
        code, told = _say(*argv)
        assert code == 2, told
        assert word in told
        assert "state_dir or database_url" in told
        assert "swordfish" not in told
    assert worker.alive() is None
    assert toy.effects() == []
    # Nothing was made anew in its place: once it is back, everything is there.
    if kind == "directory":
        file.rmdir()
    monkeypatch.delenv("BLUE_WIZARD_DATABASE_URL", raising=False)
    config.load.cache_clear()
    for path, content in kept.items():
        path.write_bytes(content)
    assert Ledger().job(job)["state"] == State.PLANNED
