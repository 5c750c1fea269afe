"""One durable workflow that interprets any plan, step by step. The only file that knows the workflow engine (DBOS).

A step of a plan is a durable step of the workflow. What DBOS has recorded is never run again; what it has not is probed
first, so that an effect that a killed worker left behind is found and not made twice. DBOS' own cancel forbids
compensation, so cancelling is a signal in the ledger that is read before and inside every step.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from dbos import DBOS, DBOSConfig, SetEnqueueOptions, SetWorkflowID
from dbos import DBOSPortableJSONSerializer as Serializer

from blue_wizard import config
from blue_wizard.jobs import lanes, stepping
from blue_wizard.jobs.draining import Drained, draining
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import State
from blue_wizard.text import _

__all__ = ["adopt", "broken", "idle", "known", "launch", "name_of", "start"]

# The ledger says when a job begins (see `admission`), so the queue has no limits of its own.
QUEUE = "top"
# What is undone has ended, so the ledger admits none of it: here the same limits are the queue's.
UNDOING = "undoing"
# Recovery only takes up work of the same version; plans are data, so every version can.
VERSION = "1"
_CHILDREN_S = 0.3
_WORST = ("failed", "stopped", "beside", "done")
_ledger: Ledger | None = None


def launch(executor: str, ledger: Ledger) -> None:
    """Start the engine in this process under a name that no other process has or had."""
    global _ledger
    _ledger = ledger
    settings: DBOSConfig = {
        "name": "blue-wizard",
        "system_database_url": _database(),
        "executor_id": executor,
        "application_version": VERSION,
        "serializer": Serializer(),
        "log_level": "WARNING",
        "notification_listener_polling_interval_sec": 0.2,
    }
    DBOS(config=settings)
    DBOS.launch()
    limits = config.load().limits
    DBOS.register_queue(QUEUE, polling_interval_sec=0.2, on_conflict="always_update")
    DBOS.register_queue(
        UNDOING,
        global_concurrency=limits.total,
        partition_concurrency=min(limits.per_target, limits.total),
        polling_interval_sec=0.2,
        on_conflict="always_update",
    )


def _database() -> str:
    url = config.load().database_url
    # Two files, so that the engine's bookkeeping and the readers of the ledger never wait for each other.
    return url or f"sqlite:///{config.load().state_dir / 'engine.db'}"


def start(job: str, *, undo_round: int = 0) -> None:
    """Start a job's workflow, or the undoing of one that has ended, unless the engine knows it already."""
    name = name_of(job, undo_round)
    if not known(name):
        # By way of a queue: of several workers exactly one takes it, and the name keeps it from being queued twice.
        with SetWorkflowID(name):
            DBOS.enqueue_workflow(QUEUE, undo_job if undo_round else run_job, job)


def adopt(workers: Collection[str]) -> int:
    """Put the work of all but these workers back on its queues, where a living one takes it; how much that was."""
    pending = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
    gone = sorted({w.executor_id for w in pending if w.executor_id} - set(workers))
    # Only this call checks, in the database, that the work is still in the hands of the dead.
    return len(DBOS._recover_pending_workflows(gone)) if gone else 0


def known(workflow: str) -> bool:
    """True when the engine has a workflow of that id."""
    return DBOS.get_workflow_status(workflow) is not None


def idle() -> bool:
    """True when the engine has nothing to do and nothing to write down any more."""
    return not DBOS.list_workflows(status=["PENDING", "ENQUEUED"], limit=1, load_input=False, load_output=False)


def broken(workflows: Collection[str]) -> dict[str, str]:
    """Those of some workflows that the engine itself could not carry on with, and why."""
    if not workflows:
        return {}
    failed = ["ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
    found = DBOS.list_workflows(workflow_ids=list(workflows), status=failed, load_input=False)
    return {w.workflow_id: str(w.error or w.status) for w in found}


def name_of(job: str, undo_round: int) -> str:
    """The name of the workflow that runs a job, or undoes it for the so-many-th time."""
    return f"{job}/undo/{undo_round}" if undo_round else job


def _book() -> Ledger:
    assert _ledger is not None, "the engine was not launched"
    return _ledger


@DBOS.workflow(name="job", max_recovery_attempts=None)
def run_job(job: str) -> str:
    """Run all steps, then all children; undo everything when one of them fails or is stopped. Returns the job's state."""
    plan = begin(job)
    error, stopped = "", False
    # What a worker of an older version recorded has no blocks.
    for block in plan.get("blocks") or [[[position]] for position in range(plan["steps"])]:
        end = run_block(job, block)
        if end["end"] != "done":
            error, stopped = end["error"], end["end"] == "stopped"
            break
    if not error and plan["children"]:
        states = run_children(job)
        if asked(job) == "rollback":
            return finish(job, State.STUCK if undo_all(job) else State.ROLLED_BACK, "")
        # What a part that is done, or not quite undone, stands on has to stay.
        needed = any(State(s) in {State.DONE, State.STUCK} for s in states)
        left = 0 if needed else undo_steps(job, plan["steps"])
        return finish_parent(job, [*states, State.STUCK] if left else states)
    if not error:
        return finish(job, State.DONE, "")
    left = undo_steps(job, plan["steps"])
    stop = State.ROLLED_BACK if asked(job) == "rollback" else State.CANCELLED
    state = State.STUCK if left else stop if stopped else State.FAILED
    return finish(job, state, error)


def run_block(job: str, block: Sequence[Sequence[int]]) -> dict[str, str]:
    """Carry out the lanes of a block side by side, and wait for all of them; the worst end counts (see `run_step`)."""
    if len(block) == 1:
        return run_steps(job, block[0])
    handles = []
    for lane in block:
        with SetWorkflowID(f"{DBOS.workflow_id}/lane/{lane[0]}"):
            handles.append(DBOS.enqueue_workflow(QUEUE, run_lane, job, list(lane)))
    ends = [handle.get_result() for handle in handles]
    return min(ends, key=lambda end: _WORST.index(end["end"]))


def run_steps(job: str, positions: Sequence[int]) -> dict[str, str]:
    """Carry out steps one after another up to the first that is not done; its end (see `run_step`)."""
    for position in positions:
        end = run_step(job, position)
        if end["end"] != "done":
            return end
    return {"end": "done", "error": ""}


@DBOS.workflow(name="lane", max_recovery_attempts=None)
def run_lane(job: str, positions: list[int]) -> dict[str, str]:
    """Carry out the steps of one lane; the end of the last that was begun (see `run_step`)."""
    return run_steps(job, positions)


@DBOS.step(name="children")
def run_children(job: str) -> list[str]:
    """Let the children begin as the ledger admits them, and wait for all of them; their states."""
    book = _book()
    book.hand_on(job)
    with stepping.Running():
        while True:
            states = [str(c["state"]) for c in book.jobs(parent=job)]
            if all(State(s).ended for s in states):
                return states
            book.drop_queued(job)
            if draining.wait(_CHILDREN_S):
                raise Drained


def undo_steps(job: str, count: int) -> int:
    """Undo all steps that were begun, last first; how many could not be undone."""
    rolling_back(job)
    return sum(undo_step(job, position) for position in reversed(range(count)))


@DBOS.workflow(name="undo", max_recovery_attempts=None)
def undo_job(job: str) -> str:
    """Undo a job that has ended, its children first. Returns its state."""
    return finish_undo(job, State.STUCK if undo_all(job) else State.ROLLED_BACK)


def undo_all(job: str) -> int:
    """Undo the children of a job, and then its own steps; how many steps could not be undone.

    The children go last first, or side by side where the plan says that they are independent.
    """
    plan = tree(job)
    children = plan["children"][::-1]
    # What a worker of an older version recorded doesn't say.
    together = plan.get("independent", False) and len(children) > 1
    left = _undo_together(children) if together else sum(undo_child(child["id"]) for child in children)
    return left + undo_steps(job, plan["steps"])


def _undo_together(children: Sequence[Mapping[str, Any]]) -> int:
    handles = []
    for child in children:
        # The names are what finds them again when this workflow is taken up by another worker.
        name = f"{DBOS.workflow_id}/{child['id']}"
        with SetWorkflowID(name), SetEnqueueOptions(queue_partition_key=child["target"] or child["id"]):
            handles.append(DBOS.enqueue_workflow(UNDOING, undo_part, child["id"]))
    return sum(handle.get_result() for handle in handles)


@DBOS.workflow(name="undo-part", max_recovery_attempts=None)
def undo_part(child: str) -> int:
    """Undo one of the children that are undone side by side; how many of its steps could not be undone."""
    return undo_child(child)


def undo_child(child: str) -> int:
    """Undo one child; how many of its steps could not be undone."""
    plan = tree(child)
    left = undo_steps(child, plan["steps"])
    finish_undo(child, State.STUCK if left else State.ROLLED_BACK)
    return left


@DBOS.step(name="begin")
def begin(job: str) -> dict[str, Any]:
    """Mark a job as running; its shape."""
    _set_state(job, State.RUNNING)
    return _shape(job)


def _set_state(job: str, state: State, error: str | None = None) -> None:
    # A worker killed between its last entry in the ledger and the engine's is repeated: by then the job may be undone.
    if not _book().job(job)["undo_round"]:
        _book().set_state(job, state, error=error)


@DBOS.step(name="tree")
def tree(job: str) -> dict[str, Any]:
    """The shape of a job: its steps in their order, its children, and whether those are independent of each other."""
    return _shape(job)


def _shape(job: str) -> dict[str, Any]:
    children = [{"id": c["id"], "target": c["target"]} for c in _book().jobs(parent=job)]
    plan = _book().plan(job)
    return {
        "steps": len(plan.steps),
        "blocks": lanes.blocks(plan.steps),
        "children": children,
        "independent": plan.independent,
    }


@DBOS.step(name="asked")
def asked(job: str) -> str:
    """What a person has asked of a job by now."""
    return _book().signal(job)


@DBOS.step(name="rolling-back")
def rolling_back(job: str) -> None:
    """Mark a job as rolling back."""
    _book().set_state(job, State.ROLLING_BACK)


@DBOS.step(name="finish")
def finish(job: str, state: State, error: str) -> str:
    """Mark a job as ended."""
    _set_state(job, State(state), error)
    return State(state).value


@DBOS.step(name="finish-undo")
def finish_undo(job: str, state: State) -> str:
    """Mark a job that was undone after its end."""
    _book().set_state(job, State(state), error="")
    return State(state).value


@DBOS.step(name="finish-parent")
def finish_parent(job: str, states: list[str]) -> str:
    """End a job by the states of its children: the worst one counts."""
    order = (State.STUCK, State.FAILED, State.CANCELLED, State.ROLLED_BACK, State.DONE)
    worst = min((State(s) for s in states), key=order.index)
    bad = sum(s != State.DONE for s in states)
    error = _("{bad} of {all} did not succeed").format(bad=bad, all=len(states)) if bad else ""
    _set_state(job, worst, error)
    return worst.value


@DBOS.step(name="step")
def run_step(job: str, position: int) -> dict[str, str]:
    """Carry out one step (see `stepping.carry_out`)."""
    return stepping.carry_out(_book(), job, position)


@DBOS.step(name="undo-step")
def undo_step(job: str, position: int) -> int:
    """Take one step back (see `stepping.take_back`)."""
    return stepping.take_back(_book(), job, position)
