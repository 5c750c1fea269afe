"""What a test run says while it goes on (a pytest plug-in): each failure at once, and every long test with its time.

A run of an hour that is ended from outside prints no summary. What it has found until then, and what it was busy with, has to
be told already.
"""

from __future__ import annotations

import time
from collections import Counter

import pytest

LONG = 60.0
"""Seconds; a test that takes longer is named when it ends."""
LINES = 60
"""As much of a failure as is printed at once; the summary has all of it."""


class Told:
    """Of the process that shows the results; ``Told`` adds up the phases of each test.

    :param out: where it is written.
    """

    def __init__(self, out: pytest.TerminalReporter) -> None:
        self.out = out
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            text = "\n".join(report.longreprtext.splitlines()[-LINES:])
            self.out.write(f"\n{_clock()} FAILED {report.when} of {report.nodeid}\n{text}\n")
        if report.when == "teardown" and (took := self.seconds.pop(report.nodeid)) >= LONG:
            self.out.write(f"\n{_clock()} {took:.0f} s: {report.nodeid}\n")


def _clock() -> str:
    return time.strftime("%H:%M:%S")
