"""Secrets never reach what is kept or shown: values of telling names, and passwords inside URLs, become stars."""

from __future__ import annotations

import re
from collections.abc import Mapping

from blue_wizard.jobs.model import Json

__all__ = ["mask"]

_SECRET_NAME = re.compile(r"pass(word|wd|phrase)?$|secret|token|api_?key|private_?key|^key$", re.I)
_SECRET_IN_URL = re.compile(r"(?<=://)([^/\s:@]+):([^/\s@]+)(?=@)")


def mask(value: Json, name: str = "") -> Json:
    """The value without secrets: those of telling names, and passwords inside URLs."""
    if isinstance(value, Mapping):
        return {k: mask(v, str(k)) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [mask(v) for v in value]
    if _SECRET_NAME.search(name) and value:
        return "***"
    return _SECRET_IN_URL.sub(r"\1:***", value) if isinstance(value, str) else value
