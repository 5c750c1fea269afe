"""Waiting inside a step: ask until there is an answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from blue_wizard.errors import StepFailed
from blue_wizard.text import _

__all__ = ["poll"]

_T = TypeVar("_T")
_EVERY_S = 0.5


def poll(
    ask: Callable[[], _T | None], what: str, *, timeout_s: float, check_stop: Callable[[], None] | None = None
) -> _T:
    """The first answer that is not None. Raises StepFailed naming `what` when there is none in time."""
    end = time.monotonic() + timeout_s
    while True:
        answer = ask()
        if answer is not None:
            return answer
        if check_stop:
            check_stop()
        if time.monotonic() > end:
            raise StepFailed(_("Waited {seconds} s in vain for {what}.").format(seconds=round(timeout_s), what=what))
        time.sleep(_EVERY_S)
