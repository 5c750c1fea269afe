"""`lab/lab fault` for plantings: what there are, and planting one. Healing is the same for all faults."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from lab.faults import journal
from lab.health import LOOK, Planting, load, named
from lab.health.ground import Ground, survey

SHOWN = ("name", "family", "check", "severity", "object", "needs")


def rows() -> list[tuple[str, ...]]:
    """What a person is shown, with a headline."""
    return [SHOWN, *(tuple(_word(getattr(p, n)) for n in SHOWN) for p in load().values())]


def documents() -> list[dict[str, Any]]:
    """All plantings as data."""
    return [{f.name: getattr(p, f.name) for f in fields(p) if f.name != "plan"} for p in load().values()]


def _word(value: object) -> str:
    return "|".join(value) if isinstance(value, tuple) else str(value)


def plant(planting: Planting) -> Ground:
    """Plant it on the stage; the ground that it was planted on. Raises LabError."""
    ground = survey(planting)
    about = {"object": planting.object.format(**ground.names()), "check": planting.check}
    journal.plant(planting.name, lambda: planting.plan(ground), about, restores=planting.restores, look=LOOK)
    return ground


def inject(name: str) -> None:
    """Plant one by its name. Raises LabError."""
    planting = named(name)
    ground = plant(planting)
    print(
        f"{name} is planted: {planting.check} must find {planting.object.format(**ground.names())}; "
        f"undo it: lab/lab fault heal {name}"
    )
