"""One step of a job: asked for leave, probed, done and verified, or taken back. Knows nothing of the workflow engine."""

from __future__ import annotations

import threading
import traceback
from contextlib import suppress

from blue_wizard.errors import BlueWizardError, Stopped
from blue_wizard.jobs import actions, lease
from blue_wizard.jobs.context import StepContext, StoppedBeside
from blue_wizard.jobs.draining import Drained, draining
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import STOPS, Outcome, Plan, Step, StepState
from blue_wizard.jobs.waiting import answer_to, come_back, rest_while_paused, wait_for_window
from blue_wizard.masking import mask
from blue_wizard.text import _
from blue_wizard.tracing import recording

__all__ = ["Running", "carry_out", "explain", "parked", "take_back"]

_parked = threading.Semaphore(0)
_in_step = 0
_count = threading.Lock()


def parked(timeout_s: float) -> None:
    """Wait until no step runs, or every running one has stopped at a safe point (see `draining`)."""
    with _count:
        running = _in_step
    for _one in range(running):
        if not _parked.acquire(timeout=timeout_s):
            return


def carry_out(book: Ledger, job: str, position: int) -> dict[str, str]:
    """Probe, do and verify one step: ``{"end": "done"|"stopped"|"beside"|"failed", "error": TEXT}``.

    It ends "stopped" when a person asked for it, and "beside" when one of another lane has failed.
    """
    plan = book.plan(job)
    step = plan.steps[position]
    try:
        with Running():
            _wait_for_leave(book, job, position, plan)
    except Stopped as e:
        return {"end": _end(e), "error": e.message}
    book.set_step(job, position, StepState.RUNNING)
    context = StepContext(book, job, position, step.id, beside=bool(step.lane))
    try:
        with Running():
            outcome = _bring_about(context, step.verb, step.args)
    except Stopped as e:
        book.set_step(job, position, StepState.FAILED, error=e.message)
        return {"end": _end(e), "error": e.message}
    except Exception as e:
        text = explain(e)
        book.set_step(job, position, StepState.FAILED, error=text)
        if not isinstance(e, BlueWizardError):
            book.event(job, step.id, "traceback", traceback.format_exc(), {})
        return {"end": "failed", "error": f"{step.title}: {text}"}
    book.set_step(job, position, StepState.DONE, outcome=dict(outcome))
    return {"end": "done", "error": ""}


def _end(stop: Stopped) -> str:
    return "beside" if isinstance(stop, StoppedBeside) else "stopped"


def _wait_for_leave(book: Ledger, job: str, position: int, plan: Plan) -> None:
    if lease.hold:
        lease.hold()
    if book.signal(job) in STOPS:
        raise Stopped(_("Stopped on request."))
    step = plan.steps[position]
    if step.lane and book.has_failed(job, but=position):
        raise StoppedBeside
    while True:
        rest_while_paused(book, job)
        if step.gate:
            answer_to(book, job, position, step.id, step.gate)
        # After a rest everything is looked at once more: it may have been long.
        if not wait_for_window(book, job, plan, position) and not come_back(book, job):
            break


def _bring_about(context: StepContext, verb: str, args: actions.Args) -> Outcome:
    action = actions.find(verb)
    outcome = action.probe(context, args)
    if outcome is None:
        context.check_stop()
        with recording(context.called):
            outcome = action.do(context, args)
    else:
        context.event("probe", "already there", outcome=dict(outcome))
    action.verify(context, args, outcome)
    return outcome


def take_back(book: Ledger, job: str, position: int) -> int:
    """Undo one step if it was begun: 0, or 1 when its effect is left."""
    step = book.plan(job).steps[position]
    row = book.steps(job)[position]
    if row["state"] in {StepState.PENDING, StepState.UNDONE}:
        return 0
    context = StepContext(book, job, position, step.id, undoing=True)
    if book.signal(job) == "abort":
        left = _("Left as it was: emergency stop.")
        book.set_step(job, position, StepState.LEFT, error=left, by_hand=_by_hand(context, step, row["outcome"]))
        return 1
    book.set_step(job, position, StepState.UNDOING)
    try:
        with Running(), recording(context.called):
            actions.find(step.verb).undo(context, step.args, row["outcome"])
    except Exception as e:
        book.set_step(job, position, StepState.LEFT, error=explain(e), by_hand=_by_hand(context, step, row["outcome"]))
        if not isinstance(e, BlueWizardError):
            book.event(job, step.id, "traceback", traceback.format_exc(), {})
        return 1
    book.set_step(job, position, StepState.UNDONE)
    return 0


def _by_hand(context: StepContext, step: Step, outcome: Outcome | None) -> str:
    # It helps with a failure, so it must never become one.
    with suppress(Exception):
        return actions.find(step.verb).by_hand(context, step.args, outcome)
    return ""


def explain(error: BaseException) -> str:
    """An exception in one line for people, with its hint where it has one."""
    if isinstance(error, BlueWizardError):
        return str(mask(f"{error.message} {error.hint}".strip()))
    first = (str(error) or type(error).__name__).strip().splitlines()[0]
    return str(mask(f"{type(error).__name__}: {first}"))


class Running:
    """Counts the steps in flight; one that drains stays here for good, so that the engine records nothing of it."""

    def __enter__(self) -> None:
        global _in_step
        if draining.is_set():
            threading.Event().wait()
        with _count:
            _in_step += 1

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        global _in_step
        if kind is Drained or draining.is_set():
            _parked.release()
            threading.Event().wait()
        with _count:
            _in_step -= 1
