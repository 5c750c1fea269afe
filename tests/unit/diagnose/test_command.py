"""`blue-wizard diagnose network` on recorded bundles: exit codes, JSON, the text for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from blue_wizard import config
from blue_wizard.cli import main
from blue_wizard.diagnose import bundle, janitor
from blue_wizard.diagnose.judge import judge
from blue_wizard.report.diagnosis import changes_text, diagnosis_text
from tests.unit.diagnose.seen import GOLDEN, HYBRID, TWO_PORTS, Seen


def _texts(parts: object) -> str:
    return "\n".join(str(p) for p in parts)  # type: ignore[attr-defined]


def test_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "network", "--from", str(GOLDEN / "two-ports.json.gz"), "-o", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [p["verdict"] for p in data["ports"]] == ["ok", "ok"]
    assert [p["network_type"] for p in data["ports"]] == ["vlan", "vxlan"]
    hop = data["ports"][1]["hops"][0]
    assert set(hop) == {"name", "host", "device", "expected", "actual", "request", "reply", "seen_by", "note"}


def test_ok_says_what_was_not_tested(capsys: pytest.CaptureFixture[str]) -> None:
    main(["diagnose", "network", "--from", str(GOLDEN / "hybrid.json.gz")])
    assert "--inject" in capsys.readouterr().out


def test_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = Seen(HYBRID)
    seen.link_down(seen.cmp, f"qvb{seen.short}")
    bundle.write(seen.bundle, tmp_path / "case.json")
    assert main(["diagnose", "network", "--from", str(tmp_path / "case.json"), "-o", "json"]) == 1
    port = json.loads(capsys.readouterr().out)["ports"][0]
    assert (port["lost_between"], port["direction"]) == (["qbr", "qvb"], "request")
    assert set(port["cause"]) == {"code", "hop", "host", "object", "message", "evidence", "remedy", "direction"}
    assert main(["diagnose", "network", "--from", str(tmp_path / "case.json")]) == 1
    text = capsys.readouterr().out
    for part in ("LOST", "which hop", "which host", "which device", "what to do", f"ip link set qvb{seen.short} up"):
        assert part in text


def test_chinese(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = Seen(HYBRID)
    seen.link_down(seen.cmp, f"qvb{seen.short}")
    bundle.write(seen.bundle, tmp_path / "case.json")
    main(["--lang", "zh", "diagnose", "network", "--from", str(tmp_path / "case.json")])
    text = capsys.readouterr().out
    assert "请求报文在 qbr 与 qvb 之间丢失" in text


@pytest.mark.parametrize("argv", [[], ["web-1", "--from", "x.json"], ["--from", "/nonexistent.json"]])
def test_bad_input(argv: list[str]) -> None:
    assert main(["diagnose", "network", *argv]) == 2


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\x1f\x8bxx", b'{"version": 99}'])
def test_a_file_that_is_no_bundle(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    assert main(["diagnose", "network", "--from", str(tmp_path / "x.json")]) == 2


def test_a_bundle_is_for_its_owner_alone(tmp_path: Path) -> None:
    bundle.write(Seen(HYBRID).bundle, tmp_path / "a.json.gz")
    assert (tmp_path / "a.json.gz").stat().st_mode & 0o777 == 0o600
    assert bundle.read(tmp_path / "a.json.gz") == Seen(HYBRID).bundle


def test_what_changed() -> None:
    before, seen = judge(Seen(TWO_PORTS).bundle), Seen(TWO_PORTS)
    assert "nothing changed" in _texts(changes_text(before, judge(seen.bundle)))
    seen.link_down(seen.cmp, f"qvb{seen.short}")
    now = judge(seen.bundle)
    assert "LOST" in _texts(changes_text(before, now))
    assert " ok" in _texts(changes_text(now, before))


@pytest.mark.parametrize("suffix", ["svg", "html"])
def test_a_picture_of_the_path(tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / f"path.{suffix}"
    assert (
        main(["diagnose", "network", "--from", str(GOLDEN / "hybrid.json.gz"), "--report", str(file), "-o", "json"])
        == 0
    )
    assert json.loads(capsys.readouterr().out)["name"] == "diag-hybrid"
    text = file.read_text()
    assert f"<{suffix}" in text
    assert "compute-br-tun" in text


def test_a_picture_of_no_known_kind() -> None:
    assert main(["diagnose", "network", "web-1", "--report", "path.bmp"]) == 2


def test_a_server_without_ports() -> None:
    seen = Seen(HYBRID)
    seen.api.ports.clear()
    report = judge(seen.bundle)
    assert not report.healthy
    assert "no port" in _texts(diagnosis_text(report))


@pytest.mark.parametrize(
    ("output", "first", "second"), [("table", "diag-hybrid", "nothing changed"), ("json", '"ports"', '"ports"')]
)
def test_watching(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], output: str, first: str, second: str
) -> None:
    from blue_wizard.commands import diagnose

    looks = iter([Seen(HYBRID).bundle, Seen(HYBRID).bundle])

    def look(*_words: object, **_options: object) -> bundle.Bundle:
        try:
            return next(looks)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(diagnose, "_look", look)
    assert main(["diagnose", "network", "web-1", "--watch", "0.01", "-o", output]) == 0
    text = capsys.readouterr().out
    assert first in text
    assert second in text.partition(first)[2]


class Janitors:
    """In place of the programs on hosts: those in `deaf` do not answer."""

    asked: ClassVar[list[str]] = []
    deaf: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, _role: str, orders: Mapping[str, Any], **_options: object) -> None:
        type(self).asked = list(orders)

    def __enter__(self) -> Janitors:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def ask(self, _order: object, key: str, hosts: Iterable[str], _timeout_s: float) -> dict[str, dict[str, Any]]:
        answer = {"removed": ["bwi7"], "running": [], "failed": []}
        return {name: {key: answer} for name in hosts if name not in self.deaf}

    def sentence(self, name: str, _waited_s: float) -> str:
        return f"{name} is deaf."


@pytest.fixture
def two_hosts_and_a_hyper_v(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "hosts: {cmp1: {}, cmp2: {}, hv1: {}}\n"
        "sources: {win: {url: 'hyperv+ssh://hv1.example.org/'}, old: {url: 'kvm+ssh://cmp2/'}}\n"
    )
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
    config.load.cache_clear()
    monkeypatch.setattr(janitor, "Agents", Janitors)
    monkeypatch.setattr(Janitors, "deaf", frozenset())


@pytest.mark.usefixtures("two_hosts_and_a_hyper_v")
def test_cleaning_asks_no_windows_host(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "network", "--clean", "-o", "json"]) == 0
    found = {c["host"]: c for c in json.loads(capsys.readouterr().out)}
    assert Janitors.asked == ["cmp1", "cmp2"]
    assert found["cmp1"] == {"host": "cmp1", "removed": ["bwi7"], "running": [], "error": "", "left_out": ""}
    assert "Windows" in found["hv1"]["left_out"]
    assert main(["diagnose", "network", "--clean"]) == 0
    assert "hv1 was not asked" in capsys.readouterr().out


@pytest.mark.usefixtures("two_hosts_and_a_hyper_v")
def test_cleaning_that_could_not_ask_a_host_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Janitors, "deaf", frozenset({"cmp2"}))
    assert main(["diagnose", "network", "--clean"]) == 1
    assert "cmp2 is deaf." in capsys.readouterr().out


@pytest.mark.usefixtures("two_hosts_and_a_hyper_v")
def test_cleaning_where_hosts_may_not_be_known_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("hosts: {cmp1: {}}\ninventory: {ansible: /nowhere/multinode}\n")
    config.load.cache_clear()
    assert main(["diagnose", "network", "--clean", "-o", "json"]) == 1
    told = capsys.readouterr()
    assert [c["error"] for c in json.loads(told.out)] == [""]
    assert "/nowhere/multinode" in told.err
