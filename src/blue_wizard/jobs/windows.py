"""Maintenance windows: when a risky step may begin. All times are seconds of the epoch; days and hours are a time zone's.

A window is judged by the wall clock at each look, so a clock that is set is simply a new time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from blue_wizard import config
from blue_wizard.errors import InputError, Refused
from blue_wizard.jobs import lanes
from blue_wizard.jobs.model import Plan, Risk, Step
from blue_wizard.text import _

__all__ = ["Window", "begins", "bound", "find", "refuse_misfits", "seconds_needed", "spans"]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_AHEAD = 15  # days; every window opens once a week


@dataclass(frozen=True)
class Window:
    """It begins at `start` of every weekday in `days` (0 is Monday) and lasts until the next `end` of the clock on the wall."""

    days: frozenset[int]
    start: time
    end: time
    zone: ZoneInfo


def find(name: str) -> Window:
    """The window of that name. Raises InputError when the configuration has none."""
    found = config.load().windows.get(name)
    if found is None:
        raise InputError(
            _("The configuration has no maintenance window called {name}.").format(name=name),
            _("Name one of these, or add it under windows: {known}").format(
                known=", ".join(sorted(config.load().windows)) or "-"
            ),
        )
    start, end = (time.fromisoformat(t) for t in (found.from_, found.to))
    return Window(frozenset(_DAYS.index(d) for d in found.days), start, end, ZoneInfo(found.timezone))


def spans(window: Window, now: float) -> list[tuple[float, float]]:
    """The stretches (begin, end) in which it is open, from the one that may be open now, for two weeks; none touch (pure).

    An hour that a change of the clocks leaves out counts as the one after it; of one that comes twice the first counts.
    """
    today = datetime.fromtimestamp(now, window.zone).date()
    found: list[tuple[float, float]] = []
    for days in range(-8, _AHEAD):
        day = today + timedelta(days=days)
        if day.weekday() not in window.days:
            continue
        last = day if window.end > window.start else day + timedelta(days=1)
        begin, end = (
            datetime.combine(d, t, window.zone).timestamp() for d, t in ((day, window.start), (last, window.end))
        )
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return [(begin, end) for begin, end in found if end > now]


def begins(window: Window, now: float, seconds: float = 0.0) -> float | None:
    """When something that takes `seconds` may begin: now, or with a later opening; None when no opening is long enough (pure)."""
    for begin, end in spans(window, now):
        if end - max(begin, now) >= seconds:
            return max(begin, now)
    return None


def bound(steps: Sequence[Step], position: int) -> bool:
    """True when a step waits for its window: it has a risk, and none of high risk came before it (pure).

    What a step of high risk has begun is finished in one go: a service that is down does not wait for the next night.
    """
    return steps[position].risk is not Risk.NONE and all(s.risk is not Risk.HIGH for s in steps[:position])


def seconds_needed(steps: Sequence[Step], position: int) -> float:
    """How long a window has to stay open for a step to begin: its own estimate, or that of all to the end at high risk (pure)."""
    last = len(steps) if steps[position].risk is Risk.HIGH else position + 1
    return lanes.seconds(steps[position:last])


def refuse_misfits(plan: Plan, now: float) -> None:
    """Raise InputError for a window that is not configured, Refused for a step that would wait for ever for a long one."""
    for one in plan.walk():
        if not one.window:
            continue
        window = find(one.window)
        for position, step in enumerate(one.steps):
            needed = seconds_needed(one.steps, position)
            if bound(one.steps, position) and begins(window, now, needed) is None:
                raise Refused(
                    _("Step {step} of {plan} needs {minutes} min, and window {name} is never open for so long.").format(
                        step=step.title, plan=one.title, minutes=round(needed / 60), name=one.window
                    ),
                    _("Name a longer window, or run it without one."),
                )
