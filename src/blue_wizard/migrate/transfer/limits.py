"""Limits of bandwidth that hold over all disks of this worker: in all, by source, by pool, by job. They may change at any time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from weakref import WeakValueDictionary

from blue_wizard import config, rates

__all__ = ["Bucket", "buckets", "minute_of_the_day"]

_BURST_S = 0.25
_LEAST_S, _AGAIN_S = 0.001, 0.2


class Bucket:
    """A token bucket. `rate` tells the limit in bytes per second now, None for none; it is asked for every request.

    A request is let through as soon as the bucket is not empty, and may leave it in debt: so a rate that is low against the
    size of a request holds too, and one that is raised is felt at once. More than a quarter of a second's worth is never saved.
    """

    def __init__(self, rate: Callable[[], float | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._lock = threading.Lock()
        self._tokens = 0.0
        self._filled = clock()

    def __call__(self, length: int) -> float:
        """0.0 when `length` bytes may be moved now, else the seconds after which to ask again."""
        rate = self._rate()
        with self._lock:
            now = self._clock()
            passed, self._filled = now - self._filled, now
            if rate is None:
                self._tokens = 0.0
                return 0.0
            self._tokens = min(rate * _BURST_S, self._tokens + rate * passed)
            if self._tokens < 0:
                return min(_AGAIN_S, max(_LEAST_S, -self._tokens / rate))
            self._tokens -= length
            return 0.0


_known: WeakValueDictionary[str, Bucket] = WeakValueDictionary()
_guard = threading.Lock()


def minute_of_the_day() -> int:
    """The minute of the day now, by the local clock."""
    now = time.localtime()
    return now.tm_hour * 60 + now.tm_min


def buckets(*, source: str, pool: str, job: str, max_rate: str = "") -> list[Bucket]:
    """The limits that a disk is under. `source` and `pool` are names, `max_rate` is what was said for this job ("": nothing)."""
    found = [
        _shared("total", lambda: _now(config.live().transfer.max_rate)),
        _shared(f"source {source}", lambda: _now(config.live().transfer.max_rate_per_source)),
        _shared(f"pool {pool}", lambda: _now(config.live().transfer.max_rate_per_pool)),
    ]
    if max_rate:
        found.append(_shared(f"job {job}", lambda: _now(max_rate)))
    return found


def _now(text: str | None) -> float | None:
    return rates.parse(text).at(minute_of_the_day()) if text else None


def _shared(name: str, rate: Callable[[], float | None]) -> Bucket:
    with _guard:
        bucket = _known.get(name)
        if bucket is None:
            bucket = _known[name] = Bucket(rate)
        return bucket
