"""Limits of bandwidth as people write them: ``20M``, or a table by the time of day (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Schedule", "parse"]

_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?(?:/s)?", re.I)
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_WINDOW = re.compile(r"(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)\s*=\s*(.+)")
_DAY = 24 * 60


@dataclass(frozen=True)
class Schedule:
    """Windows of the day as (first minute, last minute excluded, bytes per second or None for no limit)."""

    windows: tuple[tuple[int, int, float | None], ...]

    def at(self, minute: int) -> float | None:
        """The limit at a minute of the day (0 to 1439); None when there is none. The first window that fits counts."""
        for first, end, rate in self.windows:
            if first <= minute < end or (end <= first and (minute >= first or minute < end)):
                return rate
        return None


def parse(text: str) -> Schedule:
    """``RATE``, or ``HH:MM-HH:MM=RATE,...``. RATE is bytes per second with K, M, G or T (powers of 1024), or ``unlimited``.

    Outside of all windows there is no limit; a window may go over midnight. Raises ValueError naming the part that is wrong.
    """
    parts = [p.strip() for p in text.split(",")]
    if len(parts) == 1 and "=" not in text:
        return Schedule(((0, _DAY, _rate(parts[0])),))
    return Schedule(tuple(_window(p) for p in parts))


def _window(text: str) -> tuple[int, int, float | None]:
    m = _WINDOW.fullmatch(text)
    if m is None:
        raise ValueError(f"{text!r} is not like 08:00-20:00=20M")
    hours, minutes = (int(m[1]), int(m[3])), (int(m[2]), int(m[4]))
    times = [h * 60 + mi for h, mi in zip(hours, minutes, strict=True)]
    if max(minutes) > 59 or max(times) > _DAY:
        raise ValueError(f"{text!r} names a time that no day has")
    return times[0], times[1], _rate(m[5])


def _rate(text: str) -> float | None:
    if text.lower() == "unlimited":
        return None
    m = _RATE.fullmatch(text)
    if m is None or float(m[1]) <= 0:
        raise ValueError(f"{text!r} is not a rate like 20M")
    return float(m[1]) * (1 << _UNITS[m[2].upper()])
