"""The sample of a matrix (a pytest plug-in): of the tests that say ``drawn(group)``, one of each group runs a day.

``--whole`` runs all of them. First a function is drawn, then one of its cases, so that one with many cases leaves room for others.
"""

from __future__ import annotations

import os
import random
import time

import pytest


def seed() -> str:
    """What all samples are drawn with: the day, or `BW_SEED` to repeat one."""
    return os.environ.setdefault("BW_SEED", time.strftime("%Y-%m-%d"))


def pytest_report_header() -> str:
    return f"samples: BW_SEED={seed()} repeats them"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--whole"):
        return
    groups: dict[str, dict[str, list[pytest.Item]]] = {}
    for item in items:
        if (mark := item.get_closest_marker("drawn")) and not item.get_closest_marker("slow"):
            groups.setdefault(mark.args[0], {}).setdefault(item.nodeid.split("[")[0], []).append(item)
    drawn = {_one(name, functions) for name, functions in groups.items()}
    members = {item.nodeid for functions in groups.values() for cases in functions.values() for item in cases}
    dropped = [i for i in items if i.nodeid in members - drawn]
    items[:] = [i for i in items if i.nodeid not in members - drawn]
    config.hook.pytest_deselected(items=dropped)


def _one(group: str, functions: dict[str, list[pytest.Item]]) -> str:
    draw = random.Random(f"{seed()}/{group}")  # noqa: S311
    function = draw.choice(sorted(functions))
    return draw.choice(sorted(i.nodeid for i in functions[function]))
