"""Who wants to know of every call that changes something outside: reach/ tells, whoever runs a step listens.

A recorder is set for the thread that carries out a step. Local commands need no word from their callers: Python's own audit
event tells of each one that is started.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache

__all__ = ["Recorder", "recording", "tell"]

Recorder = Callable[[str, str, str, str], None]
"""(kind: "api" or "argv", target, what was called, its result; "" when that is not known yet)"""

_recorder: ContextVar[Recorder | None] = ContextVar("recorder", default=None)


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """Tell `recorder` of the calls that this thread makes within the context."""
    _hear_of_local_commands()
    token = _recorder.set(recorder)
    try:
        yield
    finally:
        _recorder.reset(token)


def tell(kind: str, target: str, what: str, result: str = "") -> None:
    """Tell of a call, if somebody wants to know."""
    recorder = _recorder.get()
    if recorder is not None:
        recorder(kind, target, what, result)


@cache
def _hear_of_local_commands() -> None:
    sys.addaudithook(_heard)


def _heard(event: str, args: tuple[object, ...]) -> None:
    if event != "subprocess.Popen" or _recorder.get() is None:
        return
    argv = args[1]
    with suppress(TypeError):
        words = [argv] if isinstance(argv, str | bytes | os.PathLike) else list(argv)  # type: ignore[call-overload]
        tell("argv", "localhost", shlex.join(os.fsdecode(w) for w in words))
