"""The ways of a machine into the cloud, and which of them were shown (a pytest plug-in that `make test-migrate` loads).

A test that moves a whole machine and compares its disks says so by ``@pytest.mark.way(source, mode)``; its target is Ceph
(``rbd``), or what its parameter `storage` says. A way that no test went stands in the table as such.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import pytest

SOURCES = ("files", "kvm", "vsphere", "openstack", "hyperv", "physical")
# A file does not run: it can't be copied while it does.
WAYS = [w for w in product(SOURCES, ("rbd", "local"), ("cold", "warm")) if w[0] != "files" or w[2] == "cold"]


class Ran(NamedTuple):
    """A test that went a way: how it ended, after how many seconds."""

    test: str
    outcome: str
    seconds: float


_ran: dict[tuple[str, str, str], list[Ran]] = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[None]:
    """Remember how each test of a way ended."""
    outcome: Any = yield
    report = outcome.get_result()
    if report.when != "call" and report.outcome == "passed":
        return
    given = getattr(item, "callspec", None)
    for mark in item.iter_markers("way"):
        source, mode, *target = mark.args
        where = given.params.get("storage", "") if given else ""
        _ran.setdefault((source, where or (target[0] if target else "rbd"), mode), []).append(
            Ran(item.name, report.outcome, report.duration)
        )


def _result(way: tuple[str, str, str]) -> str:
    ran = _ran.get(way)
    if not ran:
        return "not shown"
    bad = [r for r in ran if r.outcome != "passed"]
    return "equal" if not bad else ", ".join(sorted({r.outcome for r in bad}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    terminalreporter.section("ways of a machine into the cloud")
    for way in WAYS:
        source, target, mode = way
        tests = ", ".join(f"{r.test} {r.seconds:.0f} s" for r in _ran.get(way, ()))
        terminalreporter.write_line(f"{source:<10} -> {target:<6} {mode:<5} {_result(way):<10} {tests}".rstrip())
    shown = sum(_result(w) == "equal" for w in WAYS)
    terminalreporter.write_line(f"{shown} of {len(WAYS)} ways shown")
