"""Where a job rests: at a gate until a person answers, at a safe point until it is resumed, or until its window opens."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from blue_wizard import config
from blue_wizard.errors import InputError, Stopped
from blue_wizard.jobs import windows
from blue_wizard.jobs.draining import Drained, draining
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import STOPS, Gate, Plan, State
from blue_wizard.text import _

__all__ = ["NOBODY", "Clock", "answer_to", "come_back", "rest_while_paused", "wait_for_window"]

NOBODY = "-"
"""Who answered a question when its deadline did."""

_POLL_S = 0.5
_JUMP_S = 30.0


@dataclass(frozen=True)
class Clock:
    """The clocks that deadlines are judged by: the wall's, which people set, and one that only runs (seconds)."""

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
    sleep: Callable[[float], None] = time.sleep


def rest_while_paused(ledger: Ledger, job: str, *, hold: Callable[[bool], None] | None = None) -> bool:
    """Stay here while the job is to pause; True when it was. `hold` is told when the rest begins (True) and ends (False).

    Raises Stopped when it is cancelled meanwhile, Drained when the worker ends.
    """
    if ledger.signal(job) != "pause":
        return False
    ledger.set_state(job, State.PAUSED)
    if hold:
        hold(True)
    try:
        while ledger.signal(job) == "pause":
            if draining.wait(_POLL_S):
                raise Drained
        if ledger.signal(job) in STOPS:
            raise Stopped(_("Stopped on request."))
        come_back(ledger, job)
    finally:
        if hold:
            hold(False)
    return True


def come_back(ledger: Ledger, job: str) -> bool:
    """Let a job that has rested run again, when its turn comes: others may have taken its place. False: it had not rested.

    Raises Stopped when it is cancelled meanwhile, Drained when the worker ends.
    """
    limits = config.load().limits
    if State(ledger.standing(job)["state"]) not in {State.PAUSED, State.WAITING, State.QUEUED}:
        return False
    while not ledger.readmit(job, limits.total, limits.per_target, limits.kinds):
        if ledger.signal(job) in STOPS:
            raise Stopped(_("Stopped on request."))
        if draining.wait(_POLL_S):
            raise Drained
    return True


def wait_for_window(ledger: Ledger, job: str, plan: Plan, position: int, *, clock: Clock | None = None) -> bool:
    """Let a job rest until the step may begin in its plan's maintenance window; True when it has rested, or is to pause.

    Raises Stopped when it is cancelled meanwhile, Drained when the worker ends.
    """
    if not plan.window or not windows.bound(plan.steps, position):
        return False
    time_ = clock or Clock()
    needed = windows.seconds_needed(plan.steps, position)
    rested, told = False, -1.0
    while True:
        opens = _opening(plan.window, time_.wall(), needed)
        if opens is not None and opens <= time_.wall():
            break
        signal = ledger.signal(job)
        if signal in STOPS:
            raise Stopped(_("Stopped on request."))
        if signal == "pause":
            return True
        rested = True
        if told != (opens or 0.0):
            told = opens or 0.0
            ledger.rest(job, _("waits for its maintenance window {name}").format(name=plan.window), told)
        if draining.is_set():
            raise Drained
        time_.sleep(_POLL_S)
    if rested:
        come_back(ledger, job)
    return rested


def _opening(name: str, now: float, needed: float) -> float | None:
    # A window that is configured no more never opens: a person has to decide.
    with suppress(InputError):
        return windows.begins(windows.find(name), now, needed)
    return None


def answer_to(ledger: Ledger, job: str, position: int, step: str, gate: Gate, *, clock: Clock | None = None) -> str:
    """Ask a step's question and wait for the answer, for days if need be.

    Raises Stopped when the answer is "no" or the job is cancelled, Drained when the worker ends. A wall clock that is set
    while we wait moves the deadline with it: nobody loses the time to answer, or waits longer, because of that.
    """
    time_ = clock or Clock()
    row = ledger.ask(job, position, step, gate)
    if row["answer"] is None:
        ledger.set_state(job, State.WAITING)
        _wait_for_answer(ledger, row, gate, time_)
        row = ledger.ask(job, position, step, gate)
        come_back(ledger, job)
    if row["answer"] == "no":
        if row["who"] == NOBODY:
            raise Stopped(_("Nobody answered in time: {question}").format(question=gate.question))
        raise Stopped(_("{who} said no: {question}").format(who=row["who"], question=gate.question))
    return str(row["answer"])


def _wait_for_answer(ledger: Ledger, row: dict[str, object], gate: Gate, clock: Clock) -> None:
    job, position = str(row["job"]), int(str(row["position"]))
    offset = clock.wall() - clock.steady()
    reminded = clock.steady()
    while True:
        (now,) = [g for g in ledger.gates(job=job) if g["position"] == position]
        if now["answer"] is not None:
            return
        if ledger.signal(job) in STOPS:
            raise Stopped(_("Stopped on request."))
        jump = clock.wall() - clock.steady() - offset
        if abs(jump) > _JUMP_S:
            offset += jump
            ledger.move_deadline(job, position, jump)
            continue
        if now["deadline"] is not None and clock.wall() >= now["deadline"]:
            ledger.answer(job, position, gate.otherwise, NOBODY, "deadline")
            return
        if gate.remind_s is not None and clock.steady() - reminded >= gate.remind_s:
            reminded = clock.steady()
            ledger.event(job, str(row["step"]), "reminder", gate.question, {})
        if draining.is_set():
            raise Drained
        clock.sleep(_POLL_S)
