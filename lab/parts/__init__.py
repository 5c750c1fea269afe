"""The parts of the lab. One part is one entry of a module in this folder, registered with `part(...)`.

A part tells the truth about itself (`alive`), by asking the service and not by remembering what was started.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.site import STATE

PARTS: dict[str, Part] = {}
ADDED = STATE / "added"
"""One file for each extra part that belongs to this lab; in it what the part was told when it was added."""


@dataclass(frozen=True)
class Part:
    """`start` brings the part up from nothing or from a half-dead state; then `alive` becomes true within `timeout` seconds.

    A part with `extra` belongs to the lab only once it was added; `extra` gives the exports that lead to it, and `stop`
    removes all of it, where it can be removed from a lab that stays up. A part `of` an extra one belongs to the lab with it.
    """

    name: str
    needs: tuple[str, ...]
    start: Callable[[], None]
    alive: Callable[[], bool]
    waits_for: str
    timeout: float
    log: Path | None
    extra: Callable[[], dict[str, str]] | None
    stop: Callable[[], None] | None
    of: str = ""


def part(
    name: str,
    *,
    needs: tuple[str, ...] = (),
    start: Callable[[], None],
    alive: Callable[[], bool],
    waits_for: str = "",
    timeout: float = 120,
    log: Path | None = None,
    extra: Callable[[], dict[str, str]] | None = None,
    stop: Callable[[], None] | None = None,
    of: str = "",
) -> None:
    """Register a part of the lab."""
    PARTS[name] = Part(name, needs, start, alive, waits_for or name, timeout, log, extra, stop, of)


def load() -> dict[str, Part]:
    """All parts that there are, by name."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return PARTS


def wanted() -> dict[str, Part]:
    """The parts of this lab, by name: all but the extra ones that nobody has added."""
    return {name: p for name, p in load().items() if has(p.of or (p.name if p.extra else ""))}


def has(extra: str) -> bool:
    """True when the extra part was added to this lab, and for ""."""
    return not extra or (ADDED / extra).exists()
