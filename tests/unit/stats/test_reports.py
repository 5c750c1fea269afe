"""Every format holds the same numbers, says what is missing, and can't be turned into a weapon by a name."""

from __future__ import annotations

import csv
import io
import json
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from blue_wizard import text
from blue_wizard.cli import main
from blue_wizard.commands import stats as command
from blue_wizard.errors import InputError
from blue_wizard.reach import openstack
from blue_wizard.report.stats import formats
from blue_wizard.stats import model, run
from blue_wizard.stats.history import History
from blue_wizard.stats.model import Report
from blue_wizard.stats.platform import DAY_S

from .clouds import recorded

EVIL = '=HYPERLINK("http://x")<script>alert(1)</script>'


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """A partial one, with a history and an evil name."""
    snapshot = recorded()
    snapshot.rows["flavors"][0]["name"] = EVIL
    del snapshot.rows["floatingips"]
    snapshot.problems["floatingips"] = "it broke (500)"
    history = History(tmp_path / "stats.db")
    for day in range(1, 15):
        history.keep("lab", snapshot.moment - day * DAY_S, {"hosts.vcpus.used": 30.0 - day})
    return run.report(snapshot, (), history)


def _written(report: Report, folder: Path, suffix: str) -> bytes:
    file = folder / f"report{suffix}"
    formats.write(report, file)
    assert [f.name for f in folder.iterdir() if f.name.endswith(".part")] == []
    return file.read_bytes()


def test_all_formats_are_there() -> None:
    assert formats.suffixes() == (".csv", ".html", ".json", ".prom", ".xlsx")


def test_json(report: Report, tmp_path: Path) -> None:
    found = json.loads(_written(report, tmp_path, ".json"))
    assert found["partial"] is True
    assert found["problems"] == [{"what": "floatingips", "why": "it broke (500)"}]
    assert found["statistics"]["hosts.vcpus.capacity"] == {"value": 64, "unit": "vcpus", "unknown": None}
    assert found["statistics"]["network.floatingips"] == {"value": None, "unit": "count", "unknown": "floatingips"}
    assert {r["host"] for r in found["tables"]["hosts"]["rows"]} == {"cmp1", "cmp2"}
    assert {f["subject"]: f["points"] for f in found["forecasts"]}["vcpus"] == 15


def test_csv(report: Report, tmp_path: Path) -> None:
    lines = list(csv.DictReader(io.StringIO(_written(report, tmp_path, ".csv").decode("utf-8-sig"))))
    found = {(x["table"], x["object"], x["column"]): x["value"] for x in lines}
    assert found["statistics", "hosts.vcpus.capacity", "value"] == "64"
    assert found["statistics", "network.floatingips", "value"] == ""
    assert found["hosts", "cmp1", "vcpus"] == "32"
    assert all(not x["object"].startswith("=") for x in lines), "a spreadsheet would run it"


def test_prometheus(report: Report, tmp_path: Path) -> None:
    families = {f.name: f for f in text_string_to_metric_families(_written(report, tmp_path, ".prom").decode())}
    assert families["blue_wizard_stats_complete"].samples[0].value == 0
    assert families["blue_wizard_stats_hosts_vcpus_capacity"].samples[0].value == 64
    assert "blue_wizard_stats_network_floatingips" not in families, "what is not known is no zero"
    hosts = {s.labels["host"]: s.value for s in families["blue_wizard_stats_hosts_each_vcpus"].samples}
    assert hosts == {"cmp1": 32, "cmp2": 32}
    for family in families.values():
        labels = [tuple(sorted(s.labels.items())) for s in family.samples]
        assert len(set(labels)) == len(labels), family.name


def test_xlsx(report: Report, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(_written(report, tmp_path, ".xlsx"))) as book:
        names = book.namelist()
        sheets = [book.read(n).decode() for n in names if n.startswith("xl/worksheets/sheet")]
        shared = book.read("xl/sharedStrings.xml").decode()
    assert sum(n.startswith("xl/charts/chart") for n in names) >= 8, "native charts, no pictures"
    assert not any("<f>" in sheet for sheet in sheets), "no name has become a formula"
    assert "it broke (500)" in shared
    assert "HYPERLINK" in shared


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_html(report: Report, tmp_path: Path, lang: str) -> None:
    text.use(lang)
    page = _written(report, tmp_path, ".html").decode()
    assert "<script>alert" not in page
    assert "src=" not in page, "it works offline"
    assert "http://" not in page.replace(EVIL.replace('"', "&#34;").replace("<", "&lt;").replace(">", "&gt;"), "")
    assert "it broke (500)" in page
    assert ("报告不完整" if lang == "zh" else "PARTIAL REPORT") in page
    assert page.count("<polyline") >= 2


def test_what_has_changed(looked: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history, snapshot = command._history(), recorded()
    history.keep(
        "lab",
        snapshot.moment - 8 * DAY_S,
        {"hosts.vcpus.capacity": 60.0, "hosts.vcpus.used": 30.0, "hosts.n1.fits": 0.0},
    )
    history.keep("lab", snapshot.moment - 1 * DAY_S, {"hosts.vcpus.capacity": 1.0})
    assert main(["stats", "hosts", "--compare", "7", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["statistics"]
    assert found["hosts.vcpus.capacity"]["before"] == 60, "the newest of those that are old enough"
    assert found["hosts.count"]["before"] is None
    files = [str(tmp_path / f"r{suffix}") for suffix in formats.suffixes()]
    assert main(["stats", "hosts", "--compare", "7", *(w for file in files for w in ("--report", file))]) == 0
    assert all(Path(file).exists() for file in files)
    assert "+4" in capsys.readouterr().out
    assert "+4" in (tmp_path / "r.html").read_text()


def test_a_keystone_that_hangs_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(openstack, "cloud_name", lambda: "mine")
    monkeypatch.setattr(openstack, "connect", lambda _name: threading.Event().wait(30))
    assert main(["stats", "hosts", "--deadline", "0.1"]) == 5
    assert "Keystone of cloud mine" in capsys.readouterr().err


def test_a_suffix_that_nobody_writes(tmp_path: Path, report: Report) -> None:
    with pytest.raises(InputError, match="pdf"):
        formats.write(report, tmp_path / "x.pdf")
    with pytest.raises(InputError, match="nowhere"):
        formats.write(report, tmp_path / "nowhere" / "x.json")


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (None, "count", "-"),
        (True, "bool", "yes"),
        (1536, "bytes", "1.5 KiB"),
        (12.345, "percent", "12.3 %"),
        (1.005, "ratio", "1.00"),
        (9.96, "days", "10.0 d"),
        (119.6, "days", "120 d"),
        (7, "vcpus", "7"),
    ],
)
def test_how_numbers_look(value: Any, unit: str, expected: str) -> None:
    assert formats.cell(value, unit) == expected


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command reads the recorded cloud; what it asked for."""
    asked: list[list[str]] = []

    def look(listings: Any, _deadline: float, _history: Any) -> Any:
        asked.append(list(listings))
        return recorded()

    monkeypatch.setattr(command, "_look", look)
    return asked


def test_the_command_asks_only_for_what_its_topics_need(
    looked: list[list[str]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["stats", "images", "-o", "json", "--report", str(tmp_path / "r.html")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {name.partition(".")[0] for name in found["statistics"]} == {"images"}
    assert sorted(looked[0]) == ["images", "servers", "volumes"]
    assert (tmp_path / "r.html").exists()


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_terminal_shows_every_topic(looked: list[list[str]], capsys: pytest.CaptureFixture[str], lang: str) -> None:
    assert main(["--lang", lang, "stats"]) == 0
    shown = capsys.readouterr().out
    for topic in model.topics().values():
        assert topic.title() in shown
    assert "cmp1" in shown


def test_wrong_words_ask_nobody(looked: list[list[str]], tmp_path: Path) -> None:
    assert main(["stats", "weather"]) == 2
    assert main(["stats", "--report", str(tmp_path / "x.doc")]) == 2
    assert main(["stats", "whatif"]) == 2
    assert main(["stats", "whatif", "--servers", "3"]) == 2
    assert looked == []


def test_whatif_says_no_by_its_exit_code(looked: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "whatif", "--servers", "1", "--flavor", "m1.tiny"]) == 0
    assert main(["stats", "whatif", "--servers", "9999", "--flavor", "m1.tiny", "-o", "json"]) == 1
    assert main(["stats", "whatif", "--lose-storage", "ctl1"]) == 0
    assert looked[-1] == ["ceph"]
    assert main(["stats", "whatif", "--lose-storage", "nope"]) == 2


def test_forecast_command(looked: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "forecast", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {f["subject"] for f in found["forecasts"]} >= {"vcpus", "memory", "ceph", "ips"}
    assert all(f["days_likely"] is None for f in found["forecasts"]), "one day is no trend"
    assert main(["stats", "forecast"]) == 0


def test_list_tells_all_formulas(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "list", "-o", "json"]) == 0
    found = {x["id"]: x["formula"] for x in json.loads(capsys.readouterr().out)}
    assert "allocation_ratio" in found["hosts.vcpus.capacity"]
