"""Commands and conditions: how the lab runs things, and how it waits for them."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_lock = threading.Lock()
_began = time.monotonic()


class LabError(Exception):
    """Something in the lab did not work; the text is for the user."""


def say(text: str) -> None:
    """A line to stderr, with the seconds since the beginning."""
    with _lock:
        print(f"{time.monotonic() - _began:6.1f}s  {text}", file=sys.stderr, flush=True)


def run(
    argv: Sequence[str | Path],
    *,
    check: bool = True,
    stdin: str | None = None,
    env: dict[str, str] | None = None,
    timeout: float = 300,
) -> str:
    """Run a command; its stdout. Raises LabError with the end of its stderr when it fails and `check` is set."""
    try:
        done = subprocess.run(
            [str(a) for a in argv], input=stdin, capture_output=True, text=True, env=env, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired as e:
        raise LabError(f"{argv[0]}: no end after {timeout:.0f} s: {' '.join(map(str, argv))}") from e
    if check and done.returncode != 0:
        command = " ".join(map(str, argv))
        raise LabError(f"{command}\n  exit {done.returncode}: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout


def ok(argv: Sequence[str | Path], *, timeout: float = 20) -> bool:
    """True when the command exits with 0 in time."""
    try:
        done = subprocess.run([str(a) for a in argv], capture_output=True, timeout=timeout, check=False)
    except (subprocess.TimeoutExpired, OSError):
        return False
    return done.returncode == 0


def wait(condition: Callable[[], object], what: str, *, timeout: float = 120, log: Path | None = None) -> None:
    """Wait until the condition is true. Raises LabError with the end of `log` when it is not in time."""
    began = time.monotonic()
    told = False
    while True:
        if condition():
            return
        waited = time.monotonic() - began
        if waited > timeout:
            tail = ""
            if log and log.exists():
                lines = log.read_text(errors="replace").splitlines()[-15:]
                tail = f"\n  the end of {log}:\n    " + "\n    ".join(lines)
            raise LabError(f"waited {timeout:.0f} s in vain for {what}{tail}")
        if waited > 10 and not told:
            say(f"waiting for {what}")
            told = True
        time.sleep(0.15 if waited < 5 else 0.5)
