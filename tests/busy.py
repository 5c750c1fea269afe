"""A machine that is busy: loops that take all of its time."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["busy"]

# Whoever started it may be killed; a loop that goes on then takes its share from every run that follows.
_LOOP = (
    "while [ $PPID = $(cut -d ' ' -f 4 /proc/$$/stat) ]; do n=0; while [ $n -lt 1000000 ]; do n=$((n+1)); done; done"
)


@contextmanager
def busy() -> Iterator[None]:
    """Four busy loops, twice as many as the machine has cores. They end with whoever started them."""
    loops = [subprocess.Popen(["sh", "-c", _LOOP]) for _ in range(4)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
