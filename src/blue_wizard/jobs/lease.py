"""Which workers live, without any clock that people can set: each one counts its beats in the ledger.

A worker whose count has stood still for `DEAD_S` of an observer's own time is struck off the list, and whoever is not on
the list is dead: its jobs are taken over. One that could not beat for `STALE_S` can't know whether that has happened
and ends by itself, so that no step is in two hands. A worker that shares its ledger with nobody goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from blue_wizard.jobs.draining import draining

__all__ = ["BEAT_S", "DEAD_S", "Pulse", "Watch", "steady"]

BEAT_S = 5.0
STALE_S = 20.0
DEAD_S = 30.0


hold: Callable[[], None] | None = None
"""Called at every safe point of a worker that has a `Pulse`."""


def steady() -> float:
    """Seconds of a clock that nobody can set, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Pulse:
    """The beats of one worker. `beat` is asked every `BEAT_S`; `lost` is called once when this worker counts as dead."""

    def __init__(
        self, beat: Callable[[], bool], lost: Callable[[], None], *, shared: bool, now: Callable[[], float] = steady
    ) -> None:
        self._beat, self._lost, self._shared, self._now = beat, lost, shared, now
        self._last = now()
        self._end = threading.Event()

    def start(self) -> None:
        """Beat from now on, in a thread."""
        threading.Thread(target=self._run, daemon=True, name="pulse").start()

    def stop(self) -> None:
        """Beat no more."""
        self._end.set()

    def fresh(self) -> bool:
        """True while nobody can have taken this worker for dead."""
        return not self._shared or self._now() - self._last < STALE_S

    def once(self) -> bool:
        """Beat once; False when this worker counts as dead, or may."""
        began = self._now()
        try:
            alive = self._beat()
        except Exception:
            # The database may be back in a moment.
            return self.fresh()
        if alive:
            self._last = began
        return alive

    def hold(self) -> None:
        """Wait until it is sure that this worker still counts as alive: between two beats after a long sleep it is not."""
        while not self.fresh() and not draining.is_set():
            time.sleep(0.1)

    def _run(self) -> None:
        while not self._end.wait(BEAT_S):
            if not self.once():
                self._lost()
                return


class Watch:
    """Watches the beats of others."""

    def __init__(self, *, now: Callable[[], float] = steady) -> None:
        self._now = now
        self._seen: dict[str, tuple[int, float]] = {}

    def dead(self, workers: Iterable[Mapping[str, Any]]) -> list[str]:
        """The ids of those whose count has stood still for too long."""
        now, rows = self._now(), list(workers)
        self._seen = {
            row["id"]: old if (old := self._seen.get(row["id"])) and old[0] == row["beats"] else (row["beats"], now)
            for row in rows
        }
        return [worker for worker, (_beats, since) in self._seen.items() if now - since >= DEAD_S]
