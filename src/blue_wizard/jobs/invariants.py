"""Samples the invariants of the jobs that run; a broken one pauses its job at the next safe point."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from blue_wizard.jobs import actions
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Plan, StepState
from blue_wizard.text import _

__all__ = ["InvariantWatch"]

_AT_ONCE = 8
_log = logging.getLogger(__name__)


class InvariantWatch:
    """Looks at every running job with an invariant, every `every_s` seconds, while `mine()` says that it is our turn.

    "Could not look" is told once and is no violation. A job that a person resumed although its invariant is broken is not
    paused for the same reason again before it has held once.
    """

    def __init__(self, ledger: Ledger, *, every_s: float, mine: Callable[[], bool]) -> None:
        self._ledger, self._every_s, self._mine = ledger, every_s, mine
        self._plans: dict[str, Plan] = {}
        self._said: dict[str, str] = {}
        self._pending: dict[str, Future[None]] = {}
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="invariant")
        self._end = threading.Event()

    def start(self) -> None:
        """Watch from now on, in threads."""
        threading.Thread(target=self._run, daemon=True, name="invariants").start()

    def stop(self) -> None:
        """Look no more."""
        self._end.set()

    def _run(self) -> None:
        while not self._end.wait(self._every_s):
            try:
                if self._mine():
                    self.look()
            except Exception:
                # The database may be back in a moment; the jobs have their own way to notice.
                _log.exception("invariants were not sampled")

    def look(self) -> None:
        """Begin a sample of every job whose last one has ended."""
        rows = {row["id"]: row for row in self._ledger.running() if not row["signal"]}
        for gone in self._plans.keys() - rows.keys():
            del self._plans[gone]
        for job, row in rows.items():
            if job not in self._plans:
                self._plans[job] = self._ledger.plan(job)
            before = self._pending.get(job)
            if self._plans[job].invariant and (before is None or before.done()):
                self._pending[job] = self._pool.submit(self.sample, job, row["root"])

    def sample(self, job: str, root: str) -> None:
        """Look once at one job, and pause its whole tree when its invariant is broken."""
        invariant = self._plans[job].invariant
        check = actions.sampler(invariant.check) if invariant and invariant.check else None
        if invariant is None or check is None:
            return
        try:
            broken = self._broken(job, lambda begun: check(invariant.args, begun))
        except Exception as e:
            self._tell(job, "?" + type(e).__name__, f"could not look: {e}")
            return
        if not broken:
            self._said.pop(job, None)
        elif self._tell(job, broken, broken):
            reason = _("{title}: {broken}").format(title=invariant.title, broken=broken)
            # A cancel that came while we looked must not be forgotten over this.
            self._ledger.send(root, "pause", reason, only_after="")

    def _broken(self, job: str, check: Callable[[frozenset[str]], str]) -> str:
        """What is broken, when that is so at two looks between which no step began: one began may well change the world."""
        begun = self._begun(job)
        if not check(begun):
            return ""
        again = check(begun)
        return again if self._begun(job) == begun else ""

    def _begun(self, job: str) -> frozenset[str]:
        return frozenset(s["id"] for s in self._ledger.steps(job) if s["state"] != StepState.PENDING)

    def _tell(self, job: str, key: str, message: str) -> bool:
        if self._said.get(job) == key:
            return False
        self._said[job] = key
        self._ledger.event(job, "", "invariant", message, {})
        return True
