"""The parts of the lab. One part is one entry of a module in this folder, registered with `part(...)`.

A part tells the truth about itself (`alive`), by asking the service and not by remembering what was started.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PARTS: dict[str, Part] = {}


@dataclass(frozen=True)
class Part:
    """`start` brings the part up from nothing or from a half-dead state; then `alive` becomes true within `timeout` seconds."""

    name: str
    needs: tuple[str, ...]
    start: Callable[[], None]
    alive: Callable[[], bool]
    waits_for: str
    timeout: float
    log: Path | None


def part(
    name: str,
    *,
    needs: tuple[str, ...] = (),
    start: Callable[[], None],
    alive: Callable[[], bool],
    waits_for: str = "",
    timeout: float = 120,
    log: Path | None = None,
) -> None:
    """Register a part of the lab."""
    PARTS[name] = Part(name, needs, start, alive, waits_for or name, timeout, log)


def load() -> dict[str, Part]:
    """All parts, by name."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return PARTS
