"""Blocking calls side by side, in threads that never keep the process from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["together"]

_T = TypeVar("_T")


def together(calls: Sequence[Callable[[], _T]]) -> list[_T]:
    """What the calls give, in their order. Raises the first error of any of them, once all have ended."""
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
    for thread in threads:
        thread.join()
    if errors:
        raise errors[min(errors)]
    return [results[i] for i in range(len(calls))]
