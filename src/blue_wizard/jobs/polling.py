"""Waiting inside a step: ask until there is an answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from blue_wizard.errors import StepFailed
from blue_wizard.text import _

__all__ = ["pause_s", "poll"]

_T = TypeVar("_T")
_SOONEST_S, _LATEST_S, _SHARE = 0.5, 2.0, 0.05


def pause_s(waited_s: float, soonest_s: float) -> float:
    """Seconds until it is asked again: `soonest_s` at first, then longer, so that hundreds of waits do not load an API.

    A long wait becomes longer by a twentieth of it at most.
    """
    return min(_LATEST_S, max(soonest_s, waited_s * _SHARE))


def poll(
    ask: Callable[[], _T | None], what: str, *, timeout_s: float, check_stop: Callable[[], None] | None = None
) -> _T:
    """The first answer that is not None. Raises StepFailed naming `what` when there is none in time."""
    began = time.monotonic()
    while True:
        answer = ask()
        if answer is not None:
            return answer
        if check_stop:
            check_stop()
        waited = time.monotonic() - began
        if waited > timeout_s:
            raise StepFailed(_("Waited {seconds} s in vain for {what}.").format(seconds=round(timeout_s), what=what))
        time.sleep(pause_s(waited, _SOONEST_S))
