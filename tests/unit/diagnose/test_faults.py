"""Each fault family on recorded facts: a healthy server's, altered as the fault alters them."""

from __future__ import annotations

import pytest

from blue_wizard.diagnose.model import Verdict
from tests.unit.diagnose.cases import CASES, FINDINGS, Fault, load
from tests.unit.diagnose.seen import ALL, Seen

load()


@pytest.mark.parametrize("recorded", ALL)
def test_healthy(recorded: str) -> None:
    report = Seen(recorded).report()
    assert (report.verdict, report.cause, report.findings) == (Verdict.OK, None, ())
    assert {(h.request.value, h.reply.value) for h in report.hops} == {("seen", "seen")}


@pytest.mark.parametrize(
    ("recorded", "fault", "code", "between", "direction"),
    [c[1:] for c in CASES],
    ids=[f"{c[3]}-{c[0]}" for c in CASES],
)
def test_cause(recorded: str, fault: Fault, code: str, between: tuple[str, str], direction: str) -> None:
    seen = Seen(recorded)
    fault(seen)
    report = seen.report()
    assert report.cause is not None
    assert (report.cause.code, report.verdict) == (code, Verdict.LOST)
    assert (report.lost_between, report.direction) == (between, direction)
    assert report.cause.message
    assert report.cause.remedy
    assert report.cause.object


@pytest.mark.parametrize(
    ("recorded", "fault", "code"), [c[1:] for c in FINDINGS], ids=[f"{c[3]}-{c[0]}" for c in FINDINGS]
)
def test_finding(recorded: str, fault: Fault, code: str) -> None:
    seen = Seen(recorded)
    fault(seen)
    report = seen.report()
    assert report.verdict is Verdict.OK
    assert code in {f.code for f in report.findings}
