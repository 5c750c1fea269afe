"""One model, many reports: what counts, what is waived, what follows; and nothing of a platform's own text becomes markup."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from defusedxml import ElementTree as DefusedElementTree

from blue_wizard import text
from blue_wizard.errors import InputError
from blue_wizard.inspect.history import History
from blue_wizard.inspect.model import Check, Finding, Profile, Severity, checks, found
from blue_wizard.inspect.result import Inspection, assemble
from blue_wizard.inspect.runner import Outcome, Run, Status
from blue_wizard.report import inspection as told
from blue_wizard.report import inspection_files as files
from blue_wizard.report.inspection_html import render
from blue_wizard.report.inspection_text import junit, prometheus

BY_ID = {c.id: c for c in checks()}
EVIL = '<script>alert("x")</script>'


def _server(id_: str, name: str = "web", host: str = "cmp1") -> Finding:
    # What a check would make, with a name that a tenant chose.
    return found(
        id_, BY_ID_TEXT, host=host, evidence=[f"name {name}", "=1+1"], name=name, id=id_, fault="No valid host"
    )


BY_ID_TEXT = "Server {name} is in ERROR: {fault}"


def _run(started: float, *findings: Finding) -> Run:
    error, dead, service = BY_ID["nova.server-error"], BY_ID["host.unreachable"], BY_ID["nova.service-down"]
    host = found(
        "cmp9",
        "{where} can't be asked: {reason}",
        host="cmp9",
        evidence=["ssh cmp9: unreachable"],
        where="cmp9",
        reason="no route",
    )
    down = found("nova-compute@cmp9", "{binary} on {where} is enabled, but does not report any more.", host="cmp9", evidence=["x"],
                 binary="nova-compute", where="cmp9")  # fmt: skip
    return Run(
        started,
        2.5,
        (
            Outcome(dead, Status.FAIL, (host,)),
            Outcome(service, Status.FAIL, (down,)),
            Outcome(error, Status.FAIL if findings else Status.PASS, findings),
            Outcome(BY_ID["ceph.flags"], Status.UNKNOWN, (), ("no rights",), 0.0),
            Outcome(BY_ID["host.raid"], Status.SKIPPED),
            Outcome(BY_ID["cinder.frozen"], Status.PASS),
        ),
    )


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "inspections.db")


@pytest.fixture
def inspection(history: History) -> Inspection:
    assemble(_run(1000.0, _server("old")), cloud="c", profile="quick", history=history)
    history.waive("nova.server-error", "known", "the owner knows", "me", now=1000, until=9e9)
    return assemble(_run(2000.0, _server("a", EVIL), _server("known")), cloud="c", profile="quick", history=history)


def test_what_counts(inspection: Inspection) -> None:
    rows = {(r.check.id, r.finding.object): r for r in inspection.rows}
    assert rows["nova.service-down", "nova-compute@cmp9"].because == "host.unreachable"
    assert rows["nova.server-error", "known"].waiver is not None
    assert rows["nova.server-error", "a"].new
    assert not rows["host.unreachable", "cmp9"].new
    assert {s.value: n for s, n in inspection.counted().items()} == {"critical": 1, "warning": 1, "info": 0}
    assert inspection.worst() is Severity.CRITICAL
    assert inspection.score == 79
    assert inspection.change == 0
    assert inspection.coverage == 80
    assert [g.object for g in inspection.gone] == ["old"]
    assert [r.counts for r in inspection.rows] == [True, True, False, False], "what counts comes first"


def test_json_is_the_contract(inspection: Inspection) -> None:
    data = json.loads(json.dumps(inspection.data()))
    assert {"score", "coverage", "started", "took_s", "findings", "checks"} <= set(data)
    keys = {
        "check",
        "severity",
        "object",
        "host",
        "message",
        "evidence",
        "remedy",
        "runbook",
        "first_seen",
        "new",
        "waived",
    }
    assert all(keys <= set(f) for f in data["findings"])
    assert {c["status"] for c in data["checks"]} == {"pass", "fail", "unknown", "skipped"}
    assert data["findings"][0]["first_seen"] == "1970-01-01T00:16:40Z"
    assert data["started"] == "1970-01-01T00:33:20Z"


def test_the_change_of_the_score_is_told(history: History) -> None:
    assemble(_run(1000.0, _server("a")), cloud="c", profile="quick", history=history)
    assemble(_run(1500.0), cloud="c", profile="daily", history=history)
    made = assemble(_run(2000.0), cloud="c", profile="quick", history=history)
    assert made.change == 1.0, "an inspection of another depth is no measure"
    assert "80 (+1)" in told.verdict(made)
    assert made.data()["change"] == 1.0


def test_without_history_nothing_is_new() -> None:
    made = assemble(_run(2000.0, _server("a")), cloud="c", profile="quick", history=None)
    assert [r.new for r in made.rows] == [False] * 3
    assert made.gone == ()
    assert made.change is None


def test_html_is_one_file_and_escapes(inspection: Inspection) -> None:
    page = render(inspection)
    assert EVIL not in page
    assert "&lt;script&gt;alert" in page
    assert not re.search(r'(?:src|href)=["\']?(?:https?:)?//', page), "it needs nothing else"
    assert page.count("<tr data-severity=") == 4
    assert page.count('class="other" hidden') == 2
    assert "no rights" in page


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_reports_speak_both_languages(inspection: Inspection, lang: str, tmp_path: Path) -> None:
    import openpyxl

    before = text.current()
    text.use(lang)
    try:
        page = render(inspection)
        files.writer(tmp_path / "r.xlsx")(inspection, tmp_path / "r.xlsx")
        line = told.verdict(inspection)
    finally:
        text.use(before)
    assert f'<html lang="{"zh-CN" if lang == "zh" else "en"}">' in page
    assert ("云主机" in page) == (lang == "zh")
    assert ("docs/checks/host.unreachable.zh.md" in page) == (lang == "zh")
    assert ("覆盖率" in line) == (lang == "zh")
    book = openpyxl.load_workbook(tmp_path / "r.xlsx")
    names = {
        "en": ["Summary", "Abnormal items", "Details", "Could not look"],
        "zh": ["汇总", "异常汇总", "明细", "无法查看"],
    }
    assert book.sheetnames == names[lang]
    abnormal = [[c.value for c in row] for row in book[names[lang][1]].iter_rows(min_row=2)]
    assert len(abnormal) == 4
    assert book[names[lang][0]]["B3"].value == 79
    details = book[names[lang][2]]
    assert details.max_row == 7
    # Text that begins with "=" stays text.
    assert all(c.data_type != "f" for sheet in book for row in sheet.iter_rows() for c in row)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_document_is_one_to_sign(inspection: Inspection, lang: str, tmp_path: Path) -> None:
    import docx

    before = text.current()
    text.use(lang)
    try:
        files.writer(tmp_path / "r.docx")(inspection, tmp_path / "r.docx")
    finally:
        text.use(before)
    made = docx.Document(str(tmp_path / "r.docx"))
    tables = [[[c.text for c in row.cells] for row in table.rows] for table in made.tables]
    assert tables[1][0] == {"en": ["Inspected by", "Reviewed by", "Date"], "zh": ["巡检人", "审核人", "日期"]}[lang]
    findings = tables[2]
    assert len(findings) == 5
    assert findings[1][1] == "host.unreachable"
    assert "no rights" in tables[3][1][0]
    assert len(tables[4]) == 7


def test_prometheus(inspection: Inspection) -> None:
    shown = prometheus(inspection)
    assert 'blue_wizard_inspect_score{cloud="c",profile="quick"} 79.0' in shown
    assert (
        'blue_wizard_inspect_findings{check="host.unreachable",cloud="c",profile="quick",severity="critical"} 1.0'
        in shown
    )
    assert 'check="nova.service-down"' not in shown, "it follows from another one"
    assert EVIL not in shown


def test_junit(inspection: Inspection) -> None:
    suite = DefusedElementTree.fromstring(junit(inspection).partition("\n")[2])
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("6", "2", "2")
    failed = {c.get("name") for c in suite if c.find("failure") is not None}
    assert failed == {"host.unreachable", "nova.server-error"}


def test_the_terminal_says_what_to_do(inspection: Inspection, capsys: pytest.CaptureFixture[str]) -> None:
    from blue_wizard.report.out import emit

    emit(None, "table", lambda: told.inspection_tables(inspection))
    shown = capsys.readouterr().out
    assert "1 more follow from host.unreachable" in shown
    assert "ssh cmp9" in shown
    assert EVIL in shown, "what a tenant wrote is shown as it is, and is no markup"
    assert shown.rstrip().splitlines()[-1].startswith("Score of 100: 79 · ")


def test_many_findings_of_one_check_are_told_in_short() -> None:
    made = assemble(_run(2000.0, *(_server(f"s{i}") for i in range(40))), cloud="c", profile="quick", history=None)
    from rich.console import Console

    out = Console(width=200)
    with out.capture() as shown:
        for part in told.inspection_tables(made):
            out.print(part)
    assert shown.get().count("Server web is in ERROR") == 5
    assert "and 35 more" in shown.get()


def test_one_reason_is_told_once(inspection: Inspection) -> None:
    assert told.reasons(inspection) == [("no rights", ["ceph.flags"])]
    lost = [Outcome(c, Status.UNKNOWN, (), ("cmp1: dead", f"only {c.id}"), 0.0) for c in list(BY_ID.values())[:5]]
    made = assemble(Run(0.0, 0.0, tuple(lost)), cloud="c", profile="quick", history=None)
    assert told.reasons(made)[0] == ("cmp1: dead", [o.check.id for o in lost])
    assert "incomplete" in told.verdict(made)


def test_a_report_of_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"r\.odt"):
        files.writer(tmp_path / "r.odt")
    with pytest.raises(InputError, match="nowhere"):
        files.writer(tmp_path / "nowhere" / "r.html")


def test_a_value_that_a_remedy_lacks_is_left_to_the_reader() -> None:
    def look() -> Iterable[Finding]:
        yield found("x", "t")

    check = Check("toy.x", "t", Severity.INFO, "delete {id} of {where}", look, (), Profile.QUICK)
    run = Run(0.0, 0.0, (Outcome(check, Status.FAIL, (found("x", "t", where="cmp1"),)),))
    (row,) = assemble(run, cloud="c", profile="quick", history=None).rows
    assert row.remedy == "delete ID of cmp1"
