"""Blocking calls side by side, in threads that never keep the process from ending."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["Late", "together"]

_T = TypeVar("_T")


class Late(Exception):
    """A call had not ended when its time was up."""


def together(calls: Sequence[Callable[[], _T]], *, timeout_s: float | None = None) -> list[_T | Late]:
    """What the calls give, in their order. Raises the first error of any of them, once all have ended.

    In the place of a call that has not ended after `timeout_s` stands a `Late`; it is left to itself.
    """
    # A ThreadPoolExecutor would be waited for when the interpreter ends, even by those who have given up on it.
    results: dict[int, _T] = {}
    errors: dict[int, BaseException] = {}

    def call(number: int) -> None:
        try:
            results[number] = calls[number]()
        except BaseException as e:
            errors[number] = e

    threads = [threading.Thread(target=call, args=(i,), daemon=True) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    end = None if timeout_s is None else time.monotonic() + timeout_s
    for thread in threads:
        thread.join(None if end is None else max(0.0, end - time.monotonic()))
    if errors:
        raise errors[min(errors)]
    return [results.get(i, Late()) for i in range(len(calls))]
