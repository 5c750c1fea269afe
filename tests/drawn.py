"""The sample of a matrix (a pytest plug-in): of the tests that say ``drawn(group)``, one of each group runs a day.

``--whole`` runs all of them, as it does with all that are slow. First a function is drawn, then one of its cases, so that one with
many cases leaves room for others.
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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who is not drawn is slow today, and goes the way of all that are slow."""
    groups: dict[str, dict[str, list[pytest.Item]]] = {}
    for item in items:
        if (mark := item.get_closest_marker("drawn")) and not item.get_closest_marker("slow"):
            groups.setdefault(mark.args[0], {}).setdefault(item.nodeid.split("[")[0], []).append(item)
    for name, functions in groups.items():
        drawn = _one(name, functions)
        for item in (i for cases in functions.values() for i in cases if i.nodeid != drawn):
            item.add_marker(pytest.mark.slow)


def _one(group: str, functions: dict[str, list[pytest.Item]]) -> str:
    draw = random.Random(f"{seed()}/{group}")  # noqa: S311
    function = draw.choice(sorted(functions))
    return draw.choice(sorted(i.nodeid for i in functions[function]))
