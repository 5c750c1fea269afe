"""The order of a plan's steps: one after another, or in lanes that run side by side (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from blue_wizard.jobs.model import Step

__all__ = ["blocks", "seconds"]


def blocks(steps: Sequence[Step]) -> list[list[list[int]]]:
    """The positions of steps as they run: blocks one after another, each of lanes side by side, each of steps in order.

    A step without a lane is a block of its own; steps with lanes that follow one another are one block.
    """
    found: list[list[list[int]]] = []
    for laned, group in groupby(range(len(steps)), lambda i: bool(steps[i].lane)):
        if not laned:
            found += [[[i]] for i in group]
            continue
        lanes: dict[str, list[int]] = {}
        for i in group:
            lanes.setdefault(steps[i].lane, []).append(i)
        found.append(list(lanes.values()))
    return found


def seconds(steps: Sequence[Step]) -> float:
    """How long steps take by their estimates: of lanes that run side by side the longest counts."""
    return sum(max(sum(steps[i].seconds or 0.0 for i in lane) for lane in block) for block in blocks(steps))
