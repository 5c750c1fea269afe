"""Prints the table of failures at the end of a run that held some of them."""

from __future__ import annotations

import random
import re
from collections import Counter
from typing import Any

import pytest

from tests.drawn import seed
from tests.storage.runner import tally

from .faults import FAULTS

_ran: dict[str, Counter[str]] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    found = re.search(r"disks/test_faults_\w+\.py::test_(a\d+)(?:_|\[|$)", report.nodeid)
    if found and (report.when == "call" or report.outcome == "failed"):
        _ran.setdefault(found[1], Counter())[report.outcome] += 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each failure on two cases a day (BW_SEED repeats a day), on all with --whole."""
    if config.getoption("--whole"):
        return
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.path.name.startswith("test_faults_"):
            groups.setdefault(item.nodeid.split("[")[0], []).append(item)
    for name, group in groups.items():
        rest = random.Random(f"{seed()}/{name}").sample(group, max(0, len(group) - 2))  # noqa: S311
        for item in rest:
            item.add_marker(pytest.mark.slow)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process of several tells what it has counted to the one that prints."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["disks"] = dict(tally)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    tally.update(getattr(node, "workeroutput", {}).get("disks", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _ran:
        return
    write = terminalreporter.write_line
    terminalreporter.section("failures of a disk replacement")
    for key, (what, _zh, comes, _zh2) in FAULTS.items():
        ran = _ran.get(key, Counter())
        told = f"{ran['passed']} passed" + (f", {ran['failed']} FAILED" if ran["failed"] else "") if ran else "not run"
        write(f"{key:4} {what:52} {comes:88} {told}")
    write("")
    write(
        f"{tally['sites']} sites, {tally['commands']} commands that changed something, {tally['wrong']} touched another device"
    )
