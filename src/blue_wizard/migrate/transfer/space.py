"""A look at a pool's free space while it is filled: a copy ends before its pool is full, for a full one hangs all its clients."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from weakref import WeakSet, WeakValueDictionary

from blue_wizard.errors import BlueWizardError, StepFailed
from blue_wizard.text import _

__all__ = ["SpaceGuard"]

# Ceph tells its free space up to this late.
_LATE_S = 15.0


class _Pool:
    """What all copies of this worker have written into one pool of late, and may have in flight."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: deque[tuple[float, int]] = deque()
        self.guards: WeakSet[SpaceGuard] = WeakSet()

    def written(self, now: float, more: int) -> int:
        with self._lock:
            self._samples.append((now, more))
            while now - self._samples[0][0] > _LATE_S:
                self._samples.popleft()
            return sum(count for _time, count in self._samples)


_pools: WeakValueDictionary[str, _Pool] = WeakValueDictionary()


class SpaceGuard:
    """To be called every few seconds with the bytes moved so far; raises StepFailed when what may come next does not fit.

    `free` tells the pool's free bytes (MAX AVAIL), `in_flight` are the bytes that this copy has on their way at once. What all
    copies write while Ceph's answer grows old has to fit as well. A look that fails tells nothing, and stops nothing.
    """

    def __init__(
        self, pool: str, free: Callable[[], int], in_flight: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name, self._free, self._in_flight, self._clock = pool, free, in_flight, clock
        self._pool = _pools.setdefault(pool, _Pool())
        self._pool.guards.add(self)
        self._moved = 0

    def __call__(self, moved: int) -> None:
        """Look."""
        needed = self._pool.written(self._clock(), moved - self._moved)
        self._moved = moved
        needed += sum(g._in_flight for g in self._pool.guards)
        try:
            free = self._free()
        except BlueWizardError:
            return
        if free < needed:
            raise StepFailed(
                _("Pool {pool} is about to be full: {free} MiB are left.").format(pool=self._name, free=free >> 20),
                _("Make room or raise the quota of the pool, and run the job again."),
            )
