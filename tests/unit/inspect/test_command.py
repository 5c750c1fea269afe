"""`blue-wizard inspect` as a contract: exit codes, errors that name their object, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from blue_wizard import config
from blue_wizard.cli import main
from blue_wizard.facts.compute import Server, Servers
from blue_wizard.inspect import collect
from blue_wizard.inspect.facts import Facts
from blue_wizard.inspect.model import Now

Give = Callable[..., None]


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Give:
    """Let the platform be one of these servers, without reading anything."""
    monkeypatch.setenv("BLUE_WIZARD_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("BLUE_WIZARD_CLOUD", "mine")
    config.load.cache_clear()
    now: dict[str, Servers] = {}

    def read(_site: Any, _kinds: Collection[Any], _until: float) -> Facts:
        return Facts(Now(0.0), {Servers: now["servers"]})

    monkeypatch.setattr(collect, "collect", read)

    def set_(*servers: Server) -> None:
        now["servers"] = Servers(servers)

    return set_


def _inspect(*argv: str) -> int:
    return main(["inspect", "--only", "nova.server-error", *argv])


@pytest.mark.parametrize(("fail_on", "status"), [("critical", 0), ("warning", 1), ("info", 1), ("never", 0)])
def test_exit_codes(give: Give, fail_on: str, status: int) -> None:
    give(Server("a", "web", status="ERROR"))
    assert _inspect("--fail-on", fail_on) == status
    give()
    assert _inspect("--fail-on", "info") == 0


def test_a_gate_that_could_not_look_is_not_passed(give: Give, capsys: pytest.CaptureFixture[str]) -> None:
    give()
    assert main(["inspect", "--only", "nova.server-error", "--only", "ceph.*"]) == 1
    assert "incomplete" in capsys.readouterr().out
    assert main(["inspect", "--only", "nova.server-error", "--only", "ceph.*", "--min-coverage", "0"]) == 0


def test_json_new_and_gone(give: Give, capsys: pytest.CaptureFixture[str]) -> None:
    give(Server("a", "web", status="ERROR"))
    assert _inspect("-o", "json") == 0
    capsys.readouterr()
    give(Server("b", "db", status="ERROR", host="cmp1"))
    assert _inspect("-o", "json") == 0
    data = json.loads(capsys.readouterr().out)
    (finding,) = data["findings"]
    assert (finding["check"], finding["object"], finding["host"], finding["new"]) == (
        "nova.server-error",
        "b",
        "cmp1",
        True,
    )
    assert [g["object"] for g in data["resolved"]] == ["a"]
    assert data["coverage"] == 100
    assert [c["status"] for c in data["checks"]] == ["fail"]


def test_a_waiver_from_the_command_line(give: Give, capsys: pytest.CaptureFixture[str]) -> None:
    give(Server("a", "web", status="ERROR"))
    assert (
        main(["inspect", "waive", "nova.server-error", "a", "--reason", "known", "--until", "30d", "-o", "json"]) == 0
    )
    made = json.loads(capsys.readouterr().out)
    assert _inspect("--fail-on", "info", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["findings"][0]["waived"]["reason"] == "known"
    assert main(["inspect", "unwaive", made["id"]]) == 0
    assert _inspect("--fail-on", "info") == 1


def test_history_can_be_left_out(give: Give, tmp_path: Path) -> None:
    give(Server("a", status="ERROR"))
    assert _inspect("--no-history") == 0
    assert not (tmp_path / "inspections.db").exists()


def test_reports_are_written(give: Give, tmp_path: Path) -> None:
    give(Server("a", "web", status="ERROR"))
    endings = ("html", "json", "xlsx", "docx", "prom", "xml")
    assert _inspect(*(word for e in endings for word in ("--report", str(tmp_path / f"r.{e}")))) == 0
    assert all((tmp_path / f"r.{e}").stat().st_size > 100 for e in endings)


def test_a_report_that_can_not_be_written_is_named(
    give: Give, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    give()
    (tmp_path / "r.html").mkdir()
    assert _inspect("--report", str(tmp_path / "r.html")) == 2
    assert "r.html" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (["inspect", "--only", "nova.nothing"], "nova.nothing"),
        (["inspect", "--profile", "hourly"], "hourly"),
        (["inspect", "--deadline", "0"], "0"),
        (["inspect", "--report", "/tmp/r.odt"], "r.odt"),
        (["inspect", "explain", "nova.nothing"], "nova.nothing"),
        (["inspect", "waive", "nova.nothing", "--reason", "x", "--until", "1d"], "nova.nothing"),
        (["inspect", "waive", "nova.*", "--reason", "x", "--until", "someday"], "someday"),
        (["inspect", "waive", "nova.*", "--reason", "x", "--until", "2000-01-01"], "later"),
        (["inspect", "waive", "nova.*", "--reason", "x", "--until", "9999d"], "year"),
        (["inspect", "unwaive", "w-nothere"], "w-nothere"),
    ],
)
def test_bad_input_is_named_and_exits_with_2(
    argv: list[str], word: str, give: Give, capsys: pytest.CaptureFixture[str]
) -> None:
    give()
    assert main(argv) == 2
    shown = capsys.readouterr()
    assert word in shown.err
    assert shown.out == ""


def test_list_and_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "list", "-o", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"id", "title", "severity", "profile", "remedy", "runbook"} <= set(rows[0])
    assert not any("{" in row["remedy"] for row in rows)
    assert main(["inspect", "explain", "cross.server-twice"]) == 0
    assert "docs/checks/cross.server-twice.md" in capsys.readouterr().out


def test_quick_asks_less_than_daily_and_daily_less_than_weekly() -> None:
    from blue_wizard.inspect.model import Profile, checks

    counts = [sum(c.profile.rank <= p.rank for c in checks()) for p in Profile]
    assert counts == sorted(counts)
    assert counts[0] < counts[1] < counts[2] <= counts[3]
