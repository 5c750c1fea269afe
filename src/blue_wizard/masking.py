"""Secrets never reach what is kept or shown: known ones, values of telling names, and passwords inside URLs become stars."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

__all__ = ["learn", "mask", "open_part"]

_SECRET_NAME = re.compile(r"pass(word|wd|phrase)?$|secret|token|api_?key|private_?key|^key$", re.I)
_SECRET_IN_URL = re.compile(r"(?<=://)([^/\s:@]*):([^/\s@]+)(?=@)")
# A shorter one would be found in every other word.
_SHORTEST = 8
_learnt: set[str] = set()


def learn(*values: object) -> None:
    """Know these as secrets from now on, wherever they turn up in this process. What is no text, or too short, is left out."""
    _learnt.update(v for v in values if isinstance(v, str) and len(v) >= _SHORTEST)


def mask(value: Any, name: str = "") -> Any:
    """The value (any JSON) without secrets: learnt ones, those of telling names, and passwords inside URLs."""
    if isinstance(value, Mapping):
        return {k: mask(v, str(k)) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [mask(v) for v in value]
    if _SECRET_NAME.search(name) and value:
        return "***"
    if not isinstance(value, str):
        return value
    for secret in (*_learnt, *_of_the_environment()):
        value = value.replace(secret, "***")
    return _SECRET_IN_URL.sub(r"\1:***", value)


def open_part(values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What of a mapping holds no secret, and the names of what does: plans and reports take the first alone."""
    hidden = tuple(k for k, v in values.items() if mask(v, k) != v)
    return {k: v for k, v in values.items() if k not in hidden}, hidden


@lru_cache(maxsize=1)
def _of_the_environment() -> frozenset[str]:
    found = {v for k, v in os.environ.items() if _SECRET_NAME.search(k) and not v.startswith("/")}
    found |= {m[2] for v in os.environ.values() for m in _SECRET_IN_URL.finditer(v)}
    return frozenset(v for v in found if len(v) >= _SHORTEST)
