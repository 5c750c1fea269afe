"""The failures of host maintenance that are injected, what has to come of each, and a table of what came (a pytest plug-in).

`make test-host` loads it. Tests say by ``@pytest.mark.failure("b6")`` which one they inject; where no test of one ran, the
table says so, and the run fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

HOME = "all servers back, host in service"
FAILURES: dict[str, tuple[str, str]] = {
    "b1": ("Nova's pre-check refuses, after it has accepted the call", f"told in Nova's words; {HOME}"),
    "b2": ("no valid host in the middle of the drain", f"told in Nova's words; {HOME}"),
    "b3": ("a migration that does not converge", f"aborted, {HOME}; forced only with consent"),
    "b4": ("nova-compute of the source is restarted under a migration", f"failed; {HOME}"),
    "b5": ("the guest's process on the destination dies under a migration", f"failed; {HOME}"),
    "b6": (
        "the message queue dies: a server stays MIGRATING",
        "waits; else says how to end it, and can be undone again",
    ),
    "b7": (
        "the guest has gone over, and Nova has it on its old host",
        "not called moved nor back: says where the guest is",
    ),
    "b8": ("Nova calls a server broken that has gone over", "proved, called active again, reported as mended"),
    "b9": ("the guest is on both hosts", "not called moved, not moved again: says where it is"),
    "b10": ("a stale INACTIVE binding of a port on the destination", "deleted, then moved"),
    "b11": ("no network after the move", f"not called moved; {HOME}"),
    "b12": ("the destination's CPU does not fit", f"told in Nova's words; {HOME}"),
    "b13": ("the destination's libvirt lacks the secret of Ceph", f"told; {HOME}"),
    "b14": ("PCI, SR-IOV, TPM, accelerators, encrypted memory", "refused beforehand, with cause and remedy"),
    "b15": ("no host is left for a member of an anti-affinity group", "refused beforehand, with every host's reason"),
    "b16": ("no room, a largest unit too small, a config drive", "refused or told beforehand"),
    "b17": ("its owner deletes or reboots a server in the middle", "goes on, and reports it"),
    "b18": ("a server lands after the host was closed", f"not moved unseen: failed, named; {HOME}"),
    "b19": ("SUSPENDED, RESCUE, SHELVED, VERIFY_RESIZE, ERROR", "refused beforehand, with the way out"),
    "b20": ("locked servers", "refused beforehand; moved only by --move-locked"),
    "b21": ("the token expires", "a new one is fetched, nothing is noticed"),
    "b22": ("Masakari evacuates what is being worked on", "its host is in maintenance meanwhile, and restored after"),
    "b23": ("the host never comes back, or with its old kernel", "not given back: stays closed, says why"),
    "b24": ("the host is back, an agent on it is dead", "not given back: stays closed, says which"),
    "b25": ("OSDs that may not stop, a flag that somebody else set", "refused beforehand; a foreign flag stays"),
    "b26": ("two hosts at once, the last host", "refused"),
    "b27": ("kill -9 of the worker with migrations in flight", "adopted on resume; undone by rollback"),
    "b28": ("a leftover folder in the way of the return", "told in Nova's words; undone, host closed, servers safe"),
    "b29": ("cancelled in the middle", HOME),
    "b30": ("bursts of 5xx, an API that is restarted", "asked again; nothing begun twice"),
    "b31": ("the only DHCP or L3 agent is on the host", "refused beforehand, naming what would be lost"),
    "b32": ("a server of 512 GiB", "has time in proportion"),
    "b33": ("one name twice, a host's name within another", "ids decide; names are exact"),
}
"""Id: what is injected, and the expected answer."""

_ran: dict[str, list[tuple[str, str]]] = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[None]:
    """Remember how each test of a failure ended."""
    outcome: Any = yield
    report = outcome.get_result()
    if report.when != "call" and report.outcome == "passed":
        return
    for mark in item.iter_markers("failure"):
        place = "lab" if item.get_closest_marker("lab") else "unit"
        for id_ in mark.args:
            _ran.setdefault(id_, []).append((place, report.outcome))


def _row(id_: str) -> tuple[str, str]:
    ran = _ran.get(id_, [])
    places = [f"{p} {sum(x == p for x, _ in ran)}" for p in ("lab", "unit") if any(x == p for x, _ in ran)]
    bad = [o for _, o in ran if o != "passed"]
    return ", ".join(places) or "-", "NOT RUN" if not ran else "as expected" if not bad else ", ".join(sorted(set(bad)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    terminalreporter.section("failures of host maintenance")
    for id_, (what, expected) in FAILURES.items():
        where, result = _row(id_)
        terminalreporter.write_line(f"{id_:>3}  {what:<66}  {where:<14}  {result:<11}  {expected}")
    good = sum(_row(i)[1] == "as expected" for i in FAILURES)
    on_lab = sum(any(p == "lab" for p, _ in _ran.get(i, ())) for i in FAILURES)
    terminalreporter.write_line(f"{good} of {len(FAILURES)} as expected, {on_lab} of them injected on the lab")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One that was not injected is no success."""
    if session.exitstatus == 0 and any(_row(i)[1] != "as expected" for i in FAILURES):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
