"""How far a command has come that does one thing to many objects: a bar for who watches, lines for a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from blue_wizard.report.out import errors
from blue_wizard.text import _

__all__ = ["counting"]

_QUIET_S = 2.0


@contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """Shows that `what` is done to `total` objects; gives what is to be called with the name of each that is done.

    It may be called from several threads. A log gets a line every two seconds at most, and none of what is done before.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = errors()
    done, told = 0, time.monotonic()

    def line(name: str) -> None:
        nonlocal done, told
        done += 1
        if time.monotonic() - told > _QUIET_S:
            told = time.monotonic()
            text = _("{what}: {done} of {total}, {name}").format(what=what, done=done, total=total, name=name)
            console.print(text, markup=False)

    if not console.is_terminal or not total:
        yield line
        return
    text = TextColumn("{task.description}", markup=False)
    columns = (text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda _name: progress.advance(task)
