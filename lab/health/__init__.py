"""Planted faults of the platform's health, each with the finding that an inspection must make of it.

A planting is one function in a module of this folder (one module a family), registered by `@planting(...)`: it reads the
present state and returns changes, as a network fault does, and is written down, done and undone by the same journal
(`lab.faults.journal`).
"""

from __future__ import annotations

import importlib
import pkgutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.faults import Change
from lab.run import LabError

if TYPE_CHECKING:
    from lab.health.ground import Ground

PLANTINGS: dict[str, Planting] = {}
LOOK = "lab.health.dumps"
"""The module whose dumps show that a planting is healed."""
_NAMES = uuid.UUID("b1e3a2d0-5c1f-4e0b-9d3a-6f0c1a2b3c4d")


@dataclass(frozen=True)
class Planting:
    """A planting and the finding that must appear.

    `check`, `object`, `severity`: of that finding; the object is filled in from the ground ({id}, {server}, {volume} ...).
    `needs`: which of the stage's objects it is planted on. `restores`: as for a network fault. `note`: what is done
    against those who would mend it, or in what it differs from the real thing.
    """

    name: str
    family: str
    check: str
    object: str
    severity: str
    plan: Callable[[Ground], list[Change]]
    needs: tuple[str, ...] = ()
    restores: str = "exact"
    note: str = ""

    @property
    def id(self) -> str:
        """The id of what it makes up: always the same, so that it is known before the thing is made."""
        return str(uuid.uuid5(_NAMES, self.name))


def planting(
    name: str,
    *,
    check: str,
    object: str,
    severity: str = "warning",
    needs: tuple[str, ...] = (),
    restores: str = "exact",
    note: str = "",
) -> Callable[[Callable[[Ground], list[Change]]], Callable[[Ground], list[Change]]]:
    """Register the function that plans a planting; the family is its module's name."""

    def register(plan: Callable[[Ground], list[Change]]) -> Callable[[Ground], list[Change]]:
        assert name not in PLANTINGS, name
        family = plan.__module__.rpartition(".")[2]
        PLANTINGS[name] = Planting(name, family, check, object, severity, plan, needs, restores, note)
        return plan

    return register


def load() -> dict[str, Planting]:
    """All plantings that there are, by name, in the order of the families' names."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return PLANTINGS


def named(name: str) -> Planting:
    """The planting of this name. Raises LabError when there is none."""
    try:
        return load()[name]
    except KeyError:
        raise LabError(f"there is no fault {name}; see: lab/lab fault list") from None
