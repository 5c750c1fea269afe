"""The register of faults: what alters recorded facts, and what must be found then."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

from tests.unit.diagnose.seen import Seen

Fault = Callable[[Seen], None]
CASES: list[tuple[str, str, Fault, str, tuple[str, str], str]] = []
FINDINGS: list[tuple[str, str, Fault, str]] = []


def lost(code: str, recorded: str, between: tuple[str, str], direction: str = "request") -> Callable[[Fault], Fault]:
    """The cause `code` is found, and the packet is lost between these hops."""

    def register(fault: Fault) -> Fault:
        CASES.append((fault.__name__, recorded, fault, code, between, direction))
        return fault

    return register


def found(code: str, recorded: str) -> Callable[[Fault], Fault]:
    """All works, and there is the finding `code`."""

    def register(fault: Fault) -> Fault:
        FINDINGS.append((fault.__name__, recorded, fault, code))
        return fault

    return register


def load() -> list[str]:
    """Import all families; their names."""
    from tests.unit.diagnose import faults

    names = sorted(m.name for m in pkgutil.iter_modules(faults.__path__))
    for name in names:
        importlib.import_module(f"{faults.__name__}.{name}")
    return names
