"""The context that a running action gets: its way to the ledger, and the ledger's way to stop it."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import cache

from blue_wizard.errors import Stopped
from blue_wizard.jobs import lease, people
from blue_wizard.jobs.draining import Drained, draining
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import STOPS, Json, Outcome
from blue_wizard.jobs.waiting import rest_while_paused
from blue_wizard.text import _

__all__ = ["StepContext", "StoppedBeside"]

_PROGRESS_EVERY_S = 0.2
_SIGNAL_EVERY_S = 1.0
_RATE_WINDOW_S = 10.0


class StoppedBeside(Stopped):
    """A step that runs side by side with this one has failed: what this one goes on to do would be undone."""

    def __init__(self) -> None:
        super().__init__(_("Stopped, since a step beside it has failed."))


class StepContext:
    """Implements `actions.Context` for one step of one job; `beside` says that others of the job may run at the same time."""

    def __init__(
        self, ledger: Ledger, job: str, position: int, step_id: str, *, undoing: bool = False, beside: bool = False
    ) -> None:
        self._ledger = ledger
        self._job = job
        self._position = position
        self._step = step_id
        self._undoing = undoing
        self._beside = beside
        self._notes: dict[str, Json] = dict(ledger.steps(job)[position]["notes"] or {})
        self._written = 0.0
        self._asked = 0.0
        self._rested = 0.0
        self._resting = threading.Lock()
        self._called: set[tuple[str, str, str]] = set()
        self._samples: deque[tuple[float, float]] = deque()

    @property
    def job_id(self) -> str:
        """The id of the job."""
        return self._job

    @property
    def step_id(self) -> str:
        """The id of the step."""
        return self._step

    def outcome(self, step_id: str) -> Outcome:
        """The outcome of an earlier step; KeyError when it has none."""
        return self._ledger.outcome(self._job, step_id)

    def note(self, key: str, value: Json) -> None:
        """Keep a fact across crashes."""
        self._notes[key] = value
        self._ledger.keep(self._job, self._position, self._notes)

    def noted(self, key: str) -> Json:
        """What `note` kept, or None."""
        return self._notes.get(key)

    def progress(self, done: float, total: float, *, unit: str = "B", note: str = "") -> None:
        """Report progress; the rate is that of the last seconds."""
        now = time.monotonic()
        if self._samples and done < self._samples[-1][1]:
            self._samples.clear()  # another pass began
        self._samples.append((now, done))
        while now - self._samples[0][0] > _RATE_WINDOW_S:
            self._samples.popleft()
        if now - self._written < _PROGRESS_EVERY_S and done < total:
            return
        self._written = now
        began, first = self._samples[0]
        rate = (done - first) / (now - began) if now > began else 0.0
        left = (total - done) / rate if rate > 0 else None
        self._ledger.set_progress(
            self._job,
            self._position,
            {"done": done, "total": total, "unit": unit, "rate": rate, "left_s": left, "note": note},
        )

    def answer(self) -> str | None:
        """The answer to this step's own question."""
        found = [g for g in self._ledger.gates(job=self._job) if g["position"] == self._position]
        return found[0]["answer"] if found else None

    def hold(self, reason: str) -> None:
        """Rest until a person resumes this part."""
        self._ledger.hold(self._job, reason)
        with self._resting:
            rest_while_paused(self._ledger, self._job)

    def event(self, kind: str, message: str, **data: Json) -> None:
        """Write an event."""
        self._ledger.event(self._job, self._step, kind, message, data)

    def called(self, kind: str, target: str, what: str, result: str) -> None:
        """Write down a call to the outside (see `tracing`). A command that is repeated with the same result is written once."""
        key = (target, what, result)
        if kind == "argv" and key in self._called:
            return
        self._called.add(key)
        self._ledger.event(self._job, self._step, "call", what, {"target": target, "result": result, "by": _actor()})

    def check_stop(self) -> None:
        """Raise Stopped when a person asked for it, Drained when the worker ends."""
        if hold := lease.hold:
            hold()
        if draining.is_set():
            raise Drained
        now = time.monotonic()
        if now - self._asked < _SIGNAL_EVERY_S:
            return
        self._asked = now
        # An undo is what the others ask for, so they do not stop it.
        if self._ledger.signal(self._job) in ({"abort"} if self._undoing else STOPS):
            raise Stopped(_("Stopped on request."))
        if self._beside and self._ledger.has_failed(self._job, but=self._position):
            raise StoppedBeside

    def pause_point(self, hold: Callable[[bool], None] | None = None) -> None:
        """Stay here while the job is paused; else as `check_stop`."""
        self.check_stop()
        now = time.monotonic()
        if self._undoing or now - self._rested < _SIGNAL_EVERY_S:
            return
        self._rested = now
        # Steps that work with several threads rest with all of them; one tells the ledger.
        with self._resting:
            if rest_while_paused(self._ledger, self._job, hold=hold):
                self._samples.clear()


@cache
def _actor() -> str:
    return f"{people.who()}@{socket.gethostname()}"
