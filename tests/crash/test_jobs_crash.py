"""kill -9 at every point of a job, then resume, or roll back: the same end, and every effect once."""

from __future__ import annotations

import importlib
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from blue_wizard import config
from blue_wizard.errors import Refused
from blue_wizard.jobs import client, worker
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Gate, Invariant, State

from .conftest import Toy


def _kill_at(monkeypatch: pytest.MonkeyPatch, toy: Toy, step: str, phase: str) -> Path:
    marker = toy.folder / "killed"
    monkeypatch.setenv("BW_KILL", f"{step}:{phase}:{marker}")
    return marker


def test_killed_in_the_middle_of_an_undo(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    job = client.submit(toy.plan(*(toy.step(n) for n in "abc")), approved=True)
    assert toy.end(job) is State.DONE
    _kill_at(monkeypatch, toy, "b", "undo")
    client.rollback(job)
    with pytest.raises(client.WorkerGone):
        client.wait(job)
    assert toy.end(job) is State.ROLLED_BACK
    assert toy.effects()[3:] == ["unmake c", "unmake b", "unmake a"]


def test_a_failure_undoes_its_own_partial_effect_too(toy: Toy) -> None:
    job = client.submit(toy.plan(toy.step("a"), toy.step("b", fail=True), toy.step("c")), approved=True)
    assert toy.end(job) is State.FAILED
    assert toy.effects() == ["make a", "make b", "unmake b", "unmake a"]
    assert client.exit_code(client.show(job)) == 5


def test_what_can_not_be_undone_is_listed_and_the_rest_is_undone(toy: Toy) -> None:
    steps = (toy.step("a"), toy.step("b", sticky=True), toy.step("c", fail=True))
    job = client.submit(toy.plan(*steps), approved=True)
    assert toy.end(job) is State.STUCK
    assert toy.there() == {"b"}
    view = client.show(job)
    assert client.exit_code(view) == 6
    assert view["left"] == [{"title": "make b", "error": "can't be undone", "by_hand": "rm b"}]


def test_cancel_stops_inside_a_long_step_and_undoes(toy: Toy) -> None:
    job = client.submit(toy.plan(toy.step("a"), toy.step("b", hold=str(toy.folder / "never"))), approved=True)
    client.ensure_worker()
    toy.wait_for((toy.folder / "b.begun").exists, "the second step to begin")
    client.cancel(job)
    assert toy.end(job) is State.CANCELLED
    assert toy.effects() == ["make a", "unmake a"]
    assert client.exit_code(client.show(job)) == 130
    with pytest.raises(Refused):
        client.cancel(job)


def test_sigterm_drains_and_the_next_worker_carries_on(toy: Toy) -> None:
    go = toy.folder / "go"
    job = client.submit(toy.plan(toy.step("a"), toy.step("b", hold=str(go)), toy.step("c")), approved=True)
    client.ensure_worker()
    toy.wait_for((toy.folder / "b.begun").exists, "the second step to begin")
    toy.kill_worker(signal.SIGTERM)
    assert toy.effects() == ["make a"]
    go.touch()
    client.resume(job)
    assert toy.end(job) is State.DONE
    assert toy.effects() == ["make a", "make b", "make c"]


def test_children_keep_the_limits_and_the_worst_one_counts(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUE_WIZARD_LIMITS__TOTAL", "3")
    monkeypatch.setenv("BLUE_WIZARD_LIMITS__PER_TARGET", "1")
    kids = tuple(
        toy.plan(toy.step(f"k{i}", seconds=0.4, fail=i == 3), target="t1" if i % 2 else "t2") for i in range(6)
    )
    job = client.submit(toy.plan(children=kids), approved=True)
    assert toy.end(job) is State.FAILED
    view = client.show(job)
    assert [c["state"] for c in view["children"]] == ["done", "done", "done", "failed", "done", "done"]
    spans = {t: sorted(_spans(view, t)) for t in ("t1", "t2")}
    for found in spans.values():
        assert all(before[1] <= after[0] for before, after in pairwise(found))
    client.rollback(job)
    assert toy.end(job) is State.ROLLED_BACK
    assert toy.there() == set()


def _spans(view: dict[str, object], target: str) -> list[tuple[float, float]]:
    ledger = Ledger()
    children = [c for c in ledger.jobs(parent=str(view["job"])) if c["target"] == target]
    return [(c["started"], c["ended"]) for c in children]


def test_an_approval_binds_to_the_digest(toy: Toy) -> None:
    plan = toy.plan(toy.step("a"))
    job = client.submit(plan, approved=False)
    assert client.exit_code(client.show(job)) == 4
    with pytest.raises(Refused):
        client.approve(job, "0" * 64)
    client.approve(job, plan.digest)
    assert toy.end(job) is State.DONE
    (approval,) = Ledger().approvals(job)
    assert approval["digest"] == plan.digest


def test_an_approval_is_refused_when_the_plan_would_be_another_one_now(toy: Toy) -> None:
    toys = importlib.import_module("toys")
    (toy.folder / "wanted").write_text("a b")
    job = client.submit(toys.wanted({"folder": str(toy.folder)}), approved=False)
    (toy.folder / "wanted").write_text("a c")
    approve = [sys.executable, "-m", "blue_wizard", "job", "approve", job]
    done = subprocess.run(approve, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "- toys/b: make b" in done.stderr
    assert "+ toys/c: make c" in done.stderr
    assert Ledger().job(job)["state"] == State.PLANNED
    assert toy.effects() == []
    (toy.folder / "wanted").write_text("a b")
    assert subprocess.run(approve, capture_output=True, check=False).returncode == 0
    assert sorted(toy.effects()) == ["make a", "make b"]


def test_a_second_worker_is_refused(toy: Toy) -> None:
    job = client.submit(toy.plan(toy.step("a", hold=str(toy.folder / "go"))), approved=True)
    client.ensure_worker()
    with pytest.raises(Refused, match=str(worker.alive())):
        worker.run(until_idle=True)
    (toy.folder / "go").touch()
    assert toy.end(job) is State.DONE


def test_a_question_outlives_its_worker_and_is_asked_once(toy: Toy) -> None:
    ask = replace(toy.step("b"), gate=Gate("Is the disk in?"))
    job = client.submit(toy.plan(toy.step("a"), ask, toy.step("c")), approved=True)
    client.ensure_worker()
    assert client.wait(job) is State.WAITING
    assert client.exit_code(client.show(job)) == 4
    toy.kill_worker()
    client.resume(job)
    assert client.wait(job) is State.WAITING
    toy.kill_worker(signal.SIGTERM)
    client.answer(job, "yes")
    assert toy.end(job) is State.DONE
    assert toy.effects() == ["make a", "make b", "make c"]
    assert [e["kind"] for e in Ledger().events([job]) if e["kind"] in {"gate", "answer"}] == ["gate", "answer"]


def test_a_no_undoes_what_was_done_before_the_question(toy: Toy) -> None:
    kids = tuple(toy.plan(toy.step(n), replace(toy.step(f"{n}2"), gate=Gate(f"{n}?")), target=n) for n in "ab")
    job = client.submit(toy.plan(children=kids), approved=True)
    client.ensure_worker()
    client.wait(job)
    toy.wait_for(lambda: len(Ledger().gates(root=job)) == 2, "both to ask")
    client.answer(f"{job}.1", "yes")
    client.answer(job, "no")
    assert toy.end(job) is State.CANCELLED
    assert [c["state"] for c in client.show(job)["children"]] == [State.DONE, State.CANCELLED]
    assert toy.there() == {"a", "a2"}


def test_a_pause_inside_a_long_step_outlives_its_worker(toy: Toy) -> None:
    go = toy.folder / "go"
    job = client.submit(toy.plan(toy.step("a", hold=str(go), pauses=True), toy.step("b")), approved=True)
    client.ensure_worker()
    toy.wait_for((toy.folder / "a.begun").exists, "the first step to begin")
    client.pause(job)
    assert client.wait(job) is State.PAUSED
    go.touch()
    toy.kill_worker()
    client.ensure_worker()
    assert client.wait(job) is State.PAUSED
    assert toy.effects() == []
    client.resume(job)
    assert toy.end(job) is State.DONE
    assert toy.effects() == ["make a", "make b"]


@pytest.mark.parametrize("end", ["resume", "rollback"])
def test_a_part_that_needs_a_person_rests_over_restarts_and_the_others_go_on(toy: Toy, end: str) -> None:
    tools = toy.folder / "tools"
    parts = (toy.plan(toy.step("a0"), toy.step("a", needs=str(tools))), toy.plan(toy.step("b", seconds=1)))
    job = client.submit(toy.plan(children=parts), approved=True)
    client.ensure_worker()
    assert not client.wait(job).ended
    assert sorted(toy.effects()) == ["make a0", "make b"]
    view = client.show(job)
    assert [(c["state"], c["reason"]) for c in view["children"]] == [("paused", "tools are missing"), ("done", "")]
    assert client.exit_code(view) == 4
    toy.kill_worker()
    client.ensure_worker()
    # Resumed too early it says so again.
    client.resume(job)
    toy.wait_for(lambda: Ledger().signal(f"{job}.1") == "pause" and worker.alive(), "it to rest again")
    assert not client.wait(job).ended
    if end == "rollback":
        client.rollback(job)
        assert toy.end(job) is State.ROLLED_BACK
        assert toy.there() == set()
        return
    tools.touch()
    client.resume(job)
    assert toy.end(job) is State.DONE
    assert sorted(toy.effects()) == ["make a", "make a0", "make b"]


def test_a_paused_job_can_be_cancelled(toy: Toy) -> None:
    never = str(toy.folder / "never")
    job = client.submit(toy.plan(toy.step("a"), toy.step("b", hold=never, pauses=True)), approved=True)
    client.ensure_worker()
    toy.wait_for((toy.folder / "b.begun").exists, "the second step to begin")
    client.pause(job)
    client.wait(job)
    with pytest.raises(Refused):
        client.approve(job)
    client.cancel(job)
    assert toy.end(job) is State.CANCELLED
    assert toy.effects() == ["make a", "unmake a"]


def test_a_broken_invariant_pauses_the_job_and_a_person_decides(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUE_WIZARD_INVARIANT_EVERY_S", "0.2")
    go = toy.folder / "go"
    plan = toy.plan(toy.step("a"), toy.step("b", hold=str(go), pauses=True), toy.step("c"))
    calm = Invariant("the house is calm", "toy.calm", {"folder": str(toy.folder)})
    job = client.submit(replace(plan, invariant=calm), approved=True)
    client.ensure_worker()
    toy.wait_for((toy.folder / "b.begun").exists, "the second step to begin")
    (toy.folder / "fire").touch()
    assert client.wait(job) is State.PAUSED
    assert client.show(job)["reason"] == "the house is calm: there is a fire"
    client.resume(job)
    toy.wait_for(lambda: Ledger().job(job)["state"] == State.RUNNING, "the job to go on")
    # Whoever resumed it knows of this fire; a new one is another matter.
    time.sleep(1)
    assert Ledger().job(job)["state"] == State.RUNNING
    (toy.folder / "fire").unlink()
    time.sleep(1)
    (toy.folder / "fire").touch()
    assert client.wait(job) is State.PAUSED
    client.rollback(job)
    assert toy.end(job) is State.ROLLED_BACK
    assert toy.there() == set()


@pytest.mark.parametrize("deaf", [False, True], ids=["listens", "deaf"])
def test_an_emergency_stop_undoes_nothing_and_lists_what_is_left(toy: Toy, deaf: bool) -> None:
    slow = toy.step("b", seconds=40) if deaf else toy.step("b", hold=str(toy.folder / "never"))
    job = client.submit(toy.plan(toy.step("a"), slow, toy.step("c")), approved=True)
    other = client.submit(toy.plan(toy.step("d"), toy.step("e", hold=str(toy.folder / "go"))), approved=True)
    client.ensure_worker()
    toy.wait_for(lambda: client.show(job)["steps"][1]["state"] == "running", "the second step to begin")
    before = worker.alive()
    client.abort(job)
    assert client.wait(job) is State.STUCK
    assert (worker.alive() == before) is not deaf
    view = client.show(job)
    assert client.exit_code(view) == 6
    assert [one["by_hand"] for one in view["left"]] == ["rm a", "rm b"]
    assert "unmake a" not in toy.effects()
    (toy.folder / "go").touch()
    assert client.wait(other) is State.DONE
    assert toy.effects().count("make d") == toy.effects().count("make e") == 1
    client.rollback(job)
    assert toy.end(job) is State.ROLLED_BACK
    assert toy.there() == {"d", "e"}


def test_a_full_disk_under_the_ledger_loses_nothing(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", small], check=True)
    # Lazily: the worker that holds files there is ended later, by the fixture.
    request.addfinalizer(lambda: subprocess.run(["umount", "--lazy", small], check=True))
    monkeypatch.setenv("BLUE_WIZARD_STATE_DIR", str(small))
    config.load.cache_clear()
    job = client.submit(toy.plan(*(toy.step(n, seconds=0.7) for n in "abcd")), approved=True)
    client.ensure_worker()
    toy.wait_for(lambda: "make b" in toy.effects(), "the second step")
    filler = small / "filler"
    with filler.open("wb", buffering=0) as f, suppress(OSError):
        while True:
            f.write(bytes(4096))
    time.sleep(3)
    told = subprocess.run(
        [sys.executable, "-m", "blue_wizard", "job", "cancel", job], capture_output=True, text=True, check=False
    )
    assert told.returncode == 2
    assert "full" in told.stderr
    assert toy.effects() == ["make a", "make b"]
    filler.unlink()
    assert toy.end(job) is State.DONE
    assert toy.effects() == ["make a", "make b", "make c", "make d"]
    assert Ledger().audit().faults == ()
