"""Looks at the machines of a source before anything is planned: several side by side, since each mostly waits."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import TypeVar

from blue_wizard.errors import StepFailed
from blue_wizard.migrate import convert
from blue_wizard.migrate.machine import Machine
from blue_wizard.migrate.source import Source
from blue_wizard.migrate.sources import open_source

__all__ = ["AT_ONCE", "INSIDE_AT_ONCE", "at_each", "inside"]

_I = TypeVar("_I")
_T = TypeVar("_T")

AT_ONCE = 8
"""How many machines are looked at by a few reads of their disks at the same time."""

INSIDE_AT_ONCE = min(4, os.cpu_count() or 1)
"""How many are looked into at the same time: each look is a small virtual machine with a processor and 1.2 GiB."""


def at_each(
    source: Source,
    url: str,
    items: Sequence[_I],
    look: Callable[[Source, _I], _T],
    *,
    at_once: int,
    ended: Callable[[_I], object] = lambda _item: None,
) -> list[_T]:
    """What `look` gives for each item, in their order; `ended` is told whose look has ended, from several threads.

    No source is used by two threads at the same time: beside this one as many are opened at its URL as are needed.
    Raises the first error of any look; none is begun after it.
    """
    idle = SimpleQueue[Source]()
    idle.put(source)
    failed = threading.Event()

    def one(item: _I) -> _T:
        # Looks begin in order, so none that is left out stands before the one that failed.
        if failed.is_set():
            raise CancelledError
        try:
            mine = _taken(idle, url)
            try:
                found = look(mine, item)
            finally:
                idle.put(mine)
        except BaseException:
            failed.set()
            raise
        ended(item)
        return found

    with ThreadPoolExecutor(max(1, min(at_once, len(items)))) as threads:
        looks = [threads.submit(one, i) for i in items]
        try:
            return [future.result() for future in looks]
        finally:
            # Somebody may have pressed Ctrl-C.
            failed.set()


def _taken(idle: SimpleQueue[Source], url: str) -> Source:
    try:
        return idle.get_nowait()
    except Empty:
        return open_source(url)


def inside(source: Source, machine: Machine) -> convert.Guest:
    """What the files inside the machine's boot disk tell. Raises InputError where a tool is missing."""
    asker = getattr(source, "guest", None)
    if asker is not None:
        found: convert.Guest = asker(machine.id)
        return found
    boot = next((d for d in machine.disks if d.boot), machine.disks[0])
    # Sources whose machines run can show a disk that is in use; what is read then need not be consistent.
    opener = getattr(source, "peek_disk", source.open_disk)
    try:
        with opener(machine.id, boot.id) as disk:
            return convert.inspect(disk.uri)
    except StepFailed as e:
        # Some sources lock the disks of a running machine; the plan can be made without this look.
        return convert.Guest("", None, (e.message,))
