"""How a worker that was asked to end stops its steps: at the next safe point, unfinished and not undone."""

from __future__ import annotations

import threading

__all__ = ["Drained", "draining"]

draining = threading.Event()
"""Set when the worker was asked to end."""


class Drained(BaseException):
    """The worker ends; the step is left as it is, for the next worker to probe and finish."""
