"""What commands and operations do with jobs: submit, approve, watch, cancel, resume, undo. Never imports the engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

from blue_wizard import config
from blue_wizard.errors import InputError, Refused, StepFailed
from blue_wizard.jobs import people, worker
from blue_wizard.jobs.lease import BEAT_S, Watch, steady
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import STOPS, Json, State, StepState
from blue_wizard.jobs.submission import approve, submit
from blue_wizard.jobs.views import exit_code, show
from blue_wizard.text import _

__all__ = [
    "WorkerGone",
    "abort",
    "answer",
    "approve",
    "can_be_undone",
    "cancel",
    "ensure_worker",
    "exit_code",
    "kept_claims",
    "pause",
    "release",
    "resume",
    "rollback",
    "show",
    "submit",
    "wait",
]

_REST_S = 1.5
_ABORT_S = 10.0


def ensure_worker() -> None:
    """Start a worker that ends when it is idle, unless one is up. Raises StepFailed when it does not start."""
    if worker.alive() is not None or _beats_elsewhere(Ledger()):
        return
    folder = config.load().state_dir / "log"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "worker.out").open("ab") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "blue_wizard", "worker", "--until-idle"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if worker.alive() is not None:
            return
        if child.poll() not in (None, 0):
            break
        time.sleep(0.05)
    raise StepFailed(_("The worker did not start."), _("Its output is in {file}.").format(file=folder / "worker.out"))


def _elsewhere(ledger: Ledger) -> list[dict[str, Json]]:
    return [w for w in ledger.workers() if w["seat"] != worker.seat()] if ledger.shared else []


def _beats_elsewhere(ledger: Ledger) -> bool:
    """True when a worker of another machine is seen alive."""
    first = {w["id"]: w["beats"] for w in _elsewhere(ledger)}
    end = steady() + BEAT_S + 1
    while first and steady() < end:
        if any(w["beats"] != first.get(w["id"]) for w in _elsewhere(ledger)):
            return True
        time.sleep(0.2)
    return False


def wait(
    job: str,
    on_update: Callable[[dict[str, Json]], None] | None = None,
    *,
    poll_s: float = 0.3,
    through_rest: bool = False,
) -> State:
    """Watch a job until it has ended, or rests: paused, or waiting for an answer; its state.

    With `through_rest` a job that rests is watched on. Raises StepFailed when the worker is gone before the end.
    """
    ledger = Ledger()
    missing_since: float | None = None
    resting_since: float | None = None
    watch = Watch()
    while True:
        began = time.monotonic()
        if on_update:
            on_update(show(job, ledger=ledger))
        state = State(ledger.job(job)["state"])
        if state.ended or state is State.PLANNED:
            return state
        if through_rest or not _rests(ledger, job):
            resting_since = None
        else:
            # A part that is queued may take the place of one that has just come to rest.
            resting_since = resting_since or time.monotonic()
            if time.monotonic() - resting_since > _REST_S:
                return state
        others = _elsewhere(ledger)
        dead = watch.dead(others)
        if worker.alive() is None and len(dead) == len(others):
            # A worker takes a moment to end after its last job, and to start.
            missing_since = missing_since or time.monotonic()
            if time.monotonic() - missing_since > 3:
                raise WorkerGone(
                    _("The worker is gone, and job {job} is not finished.").format(job=job),
                    _("Carry on: blue-wizard job resume {job} · Undo: blue-wizard job rollback {job}").format(job=job),
                )
        else:
            missing_since = None
        # Whoever watches a thousand parts must not keep the ledger busy with it.
        time.sleep(max(poll_s, time.monotonic() - began))


def _rests(ledger: Ledger, job: str) -> bool:
    """True when some part of the job waits for a person or its window, and none is at work."""
    row = ledger.job(job)
    rows = [r for r in ledger.jobs(root=row["root"]) if not State(r["state"]).ended]
    parents = {r["parent"] for r in rows}
    working = [r for r in rows if r["id"] not in parents and r["state"] in {State.RUNNING, State.ROLLING_BACK}]
    asking = {g["job"] for g in ledger.gates(root=row["root"]) if g["answer"] is None}
    # What was answered or resumed a moment ago still has its old state.
    resting = [r for r in rows if r["id"] in asking or (r["state"] == State.PAUSED and _means_it(r))]
    return not working and bool(resting)


def _means_it(row: Mapping[str, Json]) -> bool:
    return row["signal"] == "pause" or row["resumes"] is not None


class WorkerGone(StepFailed):
    """The worker died under a job: a person has to say whether it goes on."""

    exit_code = 4


def cancel(job: str) -> None:
    """Ask a job to stop at its next safe point and to undo what is in the middle. Raises Refused when it has ended.

    Parts that are done stay: they may be in service by now. `rollback` undoes them too.
    """
    ledger = Ledger()
    row = ledger.job(job)
    if State(row["state"]).ended:
        raise Refused(
            _("Job {job} has ended already: it is {state}.").format(job=job, state=row["state"]),
            _("To undo it: blue-wizard job rollback {job}").format(job=job),
        )
    if row["state"] == State.PLANNED:
        for one in ledger.jobs(root=row["root"]):
            ledger.set_state(one["id"], State.CANCELLED)
        return
    # One that waits for its turn need not get it to be told that it is not wanted.
    if not ledger.cancel_unborn(row["root"]):
        ledger.send(row["root"], "cancel")
        ensure_worker()


def pause(job: str) -> None:
    """Ask a job to rest at its next safe point, nothing undone. Raises Refused when it does not run."""
    ledger = Ledger()
    row = ledger.job(job)
    if State(row["state"]).ended or row["state"] in {State.PLANNED, State.ROLLING_BACK} or row["signal"] in STOPS:
        raise Refused(_("Job {job} can't be paused: it is {state}.").format(job=job, state=row["state"]))
    ledger.send(row["root"], "pause")
    ensure_worker()


def abort(job: str) -> None:
    """Stop a job at once and leave everything as it is, nothing undone. Raises Refused when it has ended or not begun.

    A step that does not stop within `_ABORT_S` is ended by killing this machine's worker; its other jobs carry on.
    """
    ledger = Ledger()
    row = ledger.job(job)
    if State(row["state"]).ended or row["state"] == State.PLANNED:
        raise Refused(_("Job {job} does not run: it is {state}.").format(job=job, state=row["state"]))
    if ledger.cancel_unborn(row["root"]):
        return
    ledger.send(row["root"], "abort")
    ensure_worker()
    end = time.monotonic() + _ABORT_S
    while not State(ledger.job(row["root"])["state"]).ended:
        if time.monotonic() > end:
            pid = worker.alive()
            if pid:
                ledger.event(row["root"], "", "signal", "the worker is killed", {"pid": pid})
                os.kill(pid, signal.SIGKILL)
                while worker.alive() == pid:
                    time.sleep(0.05)
            ensure_worker()
            return
        time.sleep(0.2)


def resume(job: str) -> None:
    """Let a worker carry on with a job that is paused, or whose worker is gone. Raises Refused when it has ended."""
    ledger = Ledger()
    row = ledger.job(job)
    if State(row["state"]).ended:
        raise Refused(_("Job {job} has ended already: it is {state}.").format(job=job, state=row["state"]))
    # A part may rest for a reason of its own.
    asked = {j["signal"] for j in ledger.jobs(root=row["root"]) if not State(j["state"]).ended}
    if "pause" in asked and not asked & STOPS:
        ledger.send(row["root"], "")
    ensure_worker()


def answer(job: str, text: str) -> None:
    """Answer the question that a job, or a part of it, waits with.

    Raises Refused when it asks nothing or has its answer, InputError when the question does not take this one, or when
    several parts ask and the id of one is needed.
    """
    ledger = Ledger()
    row = ledger.job(job)
    asked = ledger.gates(root=job) if row["parent"] is None else ledger.gates(job=job)
    if not asked:
        raise Refused(
            _("Job {job} asks nothing.").format(job=job), _("See: blue-wizard job show {job}").format(job=job)
        )
    still = [g for g in asked if g["answer"] is None and not State(ledger.job(g["job"])["state"]).ended]
    if len(still) > 1:
        raise InputError(
            _("Several parts of job {job} ask: {jobs}.").format(job=job, jobs=", ".join(g["job"] for g in still)),
            _("Name the part: blue-wizard job answer PART {answer}").format(answer=text),
        )
    gate = (still or asked)[-1]
    if text not in {"yes", "no"} and not gate["text"]:
        raise InputError(
            _("{answer!r} is no answer to: {question}").format(answer=text, question=gate["question"]),
            _("Say yes or no."),
        )
    ledger.answer(gate["job"], gate["position"], text, people.who(), people.origin())
    ensure_worker()


def rollback(job: str) -> None:
    """Undo a job: one that still runs is stopped first, one that has ended is undone step by step.

    Raises InputError for a part of a job, and Refused when nothing is left to undo.
    """
    ledger = Ledger()
    row = ledger.job(job)
    if row["parent"] is not None:
        raise InputError(
            _("Job {job} is a part of {root}.").format(job=job, root=row["root"]),
            _("Undo the whole: blue-wizard job rollback {root}").format(root=row["root"]),
        )
    state = State(row["state"])
    if not state.ended:
        if state is State.PLANNED:
            cancel(job)
            return
        if ledger.cancel_unborn(job):
            return
        if not row["undo_round"]:
            ledger.send(job, "rollback")
        ensure_worker()
        return
    if not _begun(ledger, row["root"]):
        raise Refused(_("Job {job} has nothing to undo: it is {state}.").format(job=job, state=state.value))
    locks = [name for p in ledger.plan(job).walk() for s in p.steps for name in s.locks]
    ledger.start_undo(job, locks)
    ensure_worker()


def kept_claims(job: str) -> list[dict[str, Json]]:
    """The claims that a job keeps after its end. Raises Refused when it has none, or has not ended."""
    ledger = Ledger()
    row = ledger.job(job)
    if not State(ledger.job(row["root"])["state"]).ended:
        raise Refused(
            _("Job {job} has not ended: it gives its claims back itself.").format(job=row["root"]),
            _("See: blue-wizard job show {job}").format(job=row["root"]),
        )
    kept = [c for c in ledger.claims() if c["root"] == row["root"]]
    if not kept:
        raise Refused(_("Job {job} keeps no claim.").format(job=job), _("See: blue-wizard job claims"))
    return kept


def release(job: str) -> None:
    """Give back the claims that a job keeps after its end. Raises as `kept_claims`."""
    kept_claims(job)
    ledger = Ledger()
    ledger.release(ledger.job(job)["root"], people.who(), people.origin())


def can_be_undone(job: str) -> bool:
    """True when `rollback` has something to do: the job has not ended, or some step of it or below it still stands."""
    ledger = Ledger()
    row = ledger.job(job)
    return not State(row["state"]).ended or _begun(ledger, row["root"])


def _begun(ledger: Ledger, root: str) -> bool:
    gone = {StepState.PENDING, StepState.UNDONE}
    return any(s["state"] not in gone for j in ledger.jobs(root=root) for s in ledger.steps(j["id"]))
