"""What a command of a played host answers."""

from __future__ import annotations

from collections.abc import Callable

from .site import State

Answer = tuple[int, str, str]
OK: Answer = (0, "", "")
Tool = Callable[[State, str, list[str]], Answer]
"""Answers (state of the site, host, argv)."""


class Hung(Exception):
    """The command waits for a disk that never answers."""
