"""What commands and operations do with jobs: submit, approve, watch, cancel, resume, undo. Never imports the engine."""

from __future__ import annotations

import getpass
import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

from blue_wizard import config
from blue_wizard.errors import InputError, Refused, StepFailed
from blue_wizard.jobs import actions, drift, worker
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Json, Plan, State, StepState
from blue_wizard.text import _

__all__ = [
    "WorkerGone",
    "approve",
    "cancel",
    "ensure_worker",
    "exit_code",
    "resume",
    "rollback",
    "show",
    "submit",
    "wait",
]

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_EXIT = {
    State.PLANNED: 4,
    State.DONE: 0,
    State.ROLLED_BACK: 0,
    State.FAILED: 5,
    State.STUCK: 6,
    State.CANCELLED: 130,
}


def submit(plan: Plan, *, approved: bool) -> str:
    """Write the plan as a job, approved by whoever runs this process or waiting for it; the id of the job.

    Raises Refused when a lock of the plan is held by another job.
    """
    ledger = Ledger()
    root = plan.operation[:1] + "-" + "".join(secrets.choice(_ALPHABET) for _i in range(6))
    ids = {id(p): root for p in (plan,)}
    for number, child in enumerate((p for p in plan.walk() if p is not plan), start=1):
        ids[id(child)] = f"{root}.{number}"
    locks = [name for p in plan.walk() for s in p.steps for name in s.locks]
    ledger.add(ids, plan, State.PLANNED, locks=locks)
    if approved:
        _let_go(ledger, root)
    return root


def approve(job: str, digest: str | None = None) -> None:
    """Approve a planned job and let it go, when its plan, made again, is still the same.

    Raises Refused when `digest` is not the plan's, when it has begun already, or when things have changed since.
    """
    ledger = Ledger()
    row = ledger.job(job)
    if row["state"] != State.PLANNED:
        raise Refused(_("Job {job} does not wait for an approval: it is {state}.").format(job=job, state=row["state"]))
    if digest is not None and digest != row["digest"]:
        raise Refused(
            _("The plan of job {job} is not the one that was approved.").format(job=job),
            _("Look at it: blue-wizard job show {job}").format(job=job),
        )
    seen = ledger.plan(job)
    drift.refuse_drift(seen, actions.plan_again(seen))
    _let_go(ledger, job)


def _let_go(ledger: Ledger, job: str) -> None:
    row = ledger.job(job)
    ledger.approve(job, row["digest"], getpass.getuser(), socket.gethostname())
    for one in ledger.jobs(root=row["root"]):
        ledger.set_state(one["id"], State.QUEUED)


def ensure_worker() -> None:
    """Start a worker that ends when it is idle, unless one is up. Raises StepFailed when it does not start."""
    if worker.alive() is not None:
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


def wait(job: str, on_update: Callable[[dict[str, Json]], None] | None = None, *, poll_s: float = 0.3) -> State:
    """Watch a job until it has ended; its state. Raises StepFailed when the worker is gone before that."""
    ledger = Ledger()
    missing_since: float | None = None
    while True:
        if on_update:
            on_update(show(job, ledger=ledger))
        state = State(ledger.job(job)["state"])
        if state.ended or state is State.PLANNED:
            return state
        if worker.alive() is None:
            # A worker takes a moment to end after its last job, and to start.
            missing_since = missing_since or time.monotonic()
            if time.monotonic() - missing_since > 3:
                raise WorkerGone(
                    _("The worker is gone, and job {job} is not finished.").format(job=job),
                    _("Carry on: blue-wizard job resume {job} · Undo: blue-wizard job rollback {job}").format(job=job),
                )
        else:
            missing_since = None
        time.sleep(poll_s)


class WorkerGone(StepFailed):
    """The worker died under a job: a person has to say whether it goes on."""

    exit_code = 4


def cancel(job: str) -> None:
    """Ask a job to stop at its next safe point and to undo itself. Raises Refused when it has ended."""
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
    ledger.send(row["root"], "cancel")
    ensure_worker()


def resume(job: str) -> None:
    """Let a worker carry on with a job. Raises Refused when there is nothing to carry on with."""
    row = Ledger().job(job)
    if State(row["state"]).ended:
        raise Refused(_("Job {job} has ended already: it is {state}.").format(job=job, state=row["state"]))
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
        if state is not State.ROLLING_BACK:
            cancel(job)
        ensure_worker()
        return
    if not _begun(ledger, row["root"]):
        raise Refused(_("Job {job} has nothing to undo: it is {state}.").format(job=job, state=state.value))
    locks = [name for p in ledger.plan(job).walk() for s in p.steps for name in s.locks]
    ledger.start_undo(job, locks)
    ensure_worker()


def _begun(ledger: Ledger, root: str) -> bool:
    gone = {StepState.PENDING, StepState.UNDONE}
    return any(s["state"] not in gone for j in ledger.jobs(root=root) for s in ledger.steps(j["id"]))


def show(job: str, *, ledger: Ledger | None = None, report: bool = False) -> dict[str, Json]:
    """A job as one object: ``{job, title, operation, state, error, steps, children, gate, report, left ...}``."""
    book = ledger or Ledger()
    row = book.job(job)
    plan = Plan.from_json(json.loads(row["plan"]))
    steps = [
        {
            "id": s.id,
            "verb": s.verb,
            "title": s.title,
            "args": dict(s.args),
            "state": r["state"],
            "started": r["started"],
            "took_s": (r["ended"] - r["started"]) if r["ended"] and r["started"] else None,
            "outcome": r["outcome"],
            "progress": r["progress"],
            "error": r["error"],
        }
        for s, r in zip(plan.steps, book.steps(job), strict=True)
    ]
    children = [show(c["id"], ledger=book) for c in book.jobs(parent=job)]
    view: dict[str, Json] = {
        "job": job,
        "title": row["title"],
        "operation": row["operation"],
        "state": row["state"],
        "error": row["error"] or "",
        "created": row["created"],
        "started": row["started"],
        "ended": row["ended"],
        "took_s": (row["ended"] - row["started"]) if row["ended"] and row["started"] else None,
        "digest": row["digest"],
        "params": dict(plan.params),
        "steps": steps,
        "children": children,
        "left": [f"{s['title']}: {s['error']}" for s in steps if s["state"] == StepState.LEFT]
        + [x for c in children for x in c["left"]],
        "gate": None,
        "report": None,
    }
    if report:
        view["report"] = actions.report_of(view)
    return view


def exit_code(view: Mapping[str, Json]) -> int:
    """The exit code that a command gives for a job."""
    return _EXIT.get(State(view["state"]), 4)
