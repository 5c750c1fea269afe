"""The evidence of a job: complete, offline, escaped, and honest about a ledger that was changed."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from blue_wizard.cli import main
from blue_wizard.jobs.evidence import hashes_in
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Claim, Gate, Invariant, Plan, Precondition, Risk, State, Step, StepState

CLAIM = Claim("maintenance", "rack:r1", "host:cmp1", keep=True)
EVIL = "<script>alert('x')</script>"


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("BLUE_WIZARD_STATE_DIR", str(tmp_path / "state"))
    ledger = Ledger()
    step = Step(
        "a", "toy.make", {"note": EVIL}, f"make {EVIL}", "because", Risk.HIGH, 1, "gone for good", gate=Gate("ok?")
    )
    part = Plan("part", "toy", steps=(step,), target="kvm1", invariant=Invariant("all is calm"))
    plan = Plan("whole", "toy", children=(part,), preconditions=(Precondition("room", True, "9 GiB"),), claims=(CLAIM,))
    ledger.add({id(plan): "j", id(part): "j.1"}, plan, State.QUEUED, locks=[], approval=("li", "desk"))
    ledger.ask("j.1", 0, "a", step.gate)  # type: ignore[arg-type]
    ledger.answer("j.1", 0, "yes", "wang", "phone")
    ledger.set_step("j.1", 0, StepState.RUNNING)
    ledger.event("j.1", "a", "call", "POST /ports", {"target": "lab network", "result": "201 req-7", "by": "root@w"})
    ledger.set_step("j.1", 0, StepState.DONE, outcome={"disks": [{"sha256": "f" * 64}]})
    ledger.set_step("j.1", 0, StepState.LEFT, error="stuck there", by_hand="rm it")
    ledger.set_state("j.1", State.STUCK, error="half-way")
    ledger.set_state("j", State.STUCK)
    return "j"


class _Page(HTMLParser):
    """Checks that what is opened is closed, and keeps tags and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_complete_offline_and_escaped(job: str, tmp_path: Path) -> None:
    file = tmp_path / "e.html"
    assert main(["job", "report", job, "--out", str(file)]) == 0
    html = file.read_text()
    page = _Page()
    page.feed(html)
    assert page.open == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert re.findall(r"https?://|url\(", html) == []
    ledger = Ledger()
    for words in (
        ledger.job(job)["digest"],
        "li",
        "desk",
        f"make {EVIL}",
        "because",
        "gone for good",
        "ok?",
        "wang",
        "phone",
        "POST /ports",
        "201 req-7",
        "f" * 64,
        "rm it",
        "all is calm",
        "9 GiB",
        "host:cmp1",
        time.strftime("UTC%z"),
        ledger.audit().head,
    ):
        assert words in page.text


def test_it_speaks_chinese(job: str, tmp_path: Path) -> None:
    file = tmp_path / "e.html"
    assert main(["--lang", "zh", "job", "report", job, "--out", str(file)]) == 0
    assert 'lang="zh-CN"' in file.read_text()
    assert "封印" in file.read_text()


def test_the_same_as_data(job: str, tmp_path: Path) -> None:
    file = tmp_path / "e.json"
    # Of a part the report of the whole job is written.
    assert main(["job", "report", f"{job}.1", "--out", str(file)]) == 0
    data = json.loads(file.read_text())
    assert data["job"] == job
    assert data["hashes"] == [{"job": "j.1", "step": "a", "sha256": "f" * 64}]
    assert [c["data"]["result"] for c in data["calls"]] == ["201 req-7"]
    assert data["approvals"][0]["digest"] == data["digest"]
    assert data["seal"]["holds"] is True
    assert data["left"][0]["by_hand"] == "rm it"


def test_a_ledger_that_was_changed_is_no_proof(job: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "state" / "ledger.db") as db:
        db.execute("UPDATE events SET message = 'nobody@nowhere' WHERE kind = 'approval'")
    file = tmp_path / "e.html"
    assert main(["job", "report", job, "--out", str(file)]) == 1
    assert "is not what was written" in file.read_text()


@pytest.mark.parametrize("name", ["e.pdf", "no/such/folder/e.html"])
def test_a_file_that_can_not_be_written_is_named(
    job: str, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["job", "report", job, "--out", str(tmp_path / name)]) == 2
    assert name in capsys.readouterr().err


def test_hashes_are_found_at_any_depth() -> None:
    assert list(hashes_in({"sha256": "a", "x": [{"source_sha256": "b", "sha256": None}], "y": "sha256"})) == ["a", "b"]
