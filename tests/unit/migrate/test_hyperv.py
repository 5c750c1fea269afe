"""The source of Hyper-V machines: its rules, its URL, and how WinRM is asked."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from blue_wizard import config
from blue_wizard.config import SourceConfig
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.facts.hyperv import parse_vm
from blue_wizard.migrate.machine import Firmware, Machine, Power
from blue_wizard.migrate.sources import PowerControl, open_source
from blue_wizard.migrate.sources.hyperv import HyperV, machine_of
from blue_wizard.reach import powershell
from blue_wizard.reach.remote_files import SftpFiles, SmbFiles

GOLDEN = json.loads((Path(__file__).parents[1] / "facts" / "golden" / "hyperv.json").read_text())


def machine(name: str, **change: Any) -> Machine:
    data = next(m for m in GOLDEN if m["name"] == name)
    return machine_of(parse_vm({**data, **change}), "hv1")


def test_a_machine_with_checkpoints_moves() -> None:
    web = machine("web", state="Running")
    assert web.blockers == ()
    assert (web.power, web.firmware, web.memory) == (Power.ON, Firmware.BIOS, 128)
    assert [(d.id, d.bus, d.boot) for d in web.disks] == [("ide-0-0", "ide", True), ("scsi-0-0", "scsi", False)]
    warnings = "\n".join(web.warnings)
    for word in ("2 checkpoints", "dynamic", "automatic start"):
        assert word in warnings


def test_generation_two() -> None:
    two = machine("gen2")
    assert (two.firmware, two.secure_boot, two.blockers) == (Firmware.UEFI, True, ())


@pytest.mark.parametrize(
    ("name", "change", "word"),
    [
        ("vtpm", {}, "virtual TPM"),
        ("shielded", {}, "shielded"),
        ("physical", {}, "pass-through"),
        ("shared", {}, "shared"),
        ("vhdset", {}, "shared"),
        ("saved", {"state": "Saved"}, "saved"),
        ("web", {"state": "Starting"}, "Starting"),
        ("replica", {}, "replica"),
        ("merging", {}, "MergingDisks"),
        ("4kn", {}, "4096"),
        ("lost", {}, "gone.vhdx"),
        ("diskless", {}, "no disk"),
        ("web", {"fibre": 1}, "Fibre Channel"),
    ],
)
def test_each_blocker(name: str, change: dict[str, Any], word: str) -> None:
    found = machine(name, **change).blockers
    assert found
    assert word in found[0]


@pytest.mark.parametrize(
    ("name", "change", "word"),
    [
        ("no-services", {"state": "Running"}, "shutdown service"),
        ("网店", {}, "cluster"),
        ("web", {"devices": 1}, "passed through"),
        ("web", {"dvd": 1}, "DVD"),
        ("web", {"replication": "Primary"}, "replicated"),
        ("web", {"nics": [{**GOLDEN[0]["nics"][0], "legacy": True}]}, "legacy"),
        ("web", {"nics": [{**GOLDEN[0]["nics"][0], "mode": "Trunk"}]}, "trunk"),
    ],
)
def test_each_warning(name: str, change: dict[str, Any], word: str) -> None:
    assert word in "\n".join(machine(name, **change).warnings)


def test_the_url() -> None:
    source = open_source("hyperv://LAB%5Cadmin@hv1.example.org/")
    assert isinstance(source, HyperV)
    assert isinstance(source, PowerControl)
    assert source.target == "hyperv:hv1.example.org"
    assert isinstance(source._files, SmbFiles)
    over_ssh = open_source("hyperv+ssh://admin@hv1")
    assert isinstance(over_ssh, HyperV)
    assert isinstance(over_ssh._files, SftpFiles)
    mixed = open_source("hyperv+ssh://admin@hv1/?disks=smb")
    assert isinstance(mixed, HyperV)
    assert isinstance(mixed._files, SmbFiles)
    for bad in (
        "hyperv://hv1/",
        "hyperv://admin:secret@hv1/",
        "hyperv://admin@hv1/?disks=nfs",
        "hyperv://admin@hv1/?x=1",
        "hyperv://admin@hv1/vms",
        "hyperv://admin@hv1:port/",
    ):
        with pytest.raises(InputError) as caught:
            open_source(bad)
        assert "secret" not in caught.value.message


class FakeClient:
    """Stands for pypsrp's: it keeps how it was made, and answers or fails."""

    made: dict[str, Any] = {}  # noqa: RUF012
    scripts: list[str] = []  # noqa: RUF012
    failure: Exception | None = None

    def __init__(self, server: str, **options: Any) -> None:
        FakeClient.made = {"server": server, **options}

    def __enter__(self) -> FakeClient:
        return self

    def __exit__(self, *_: object) -> None: ...

    def execute_ps(self, script: str) -> tuple[str, Any, bool]:
        FakeClient.scripts.append(script)
        if self.failure:
            raise self.failure
        return base64.b64encode(json.dumps({"ok": True, "value": [5]}).encode()).decode(), None, False


@pytest.fixture
def winrm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[powershell.Run]:
    monkeypatch.setattr("pypsrp.client.Client", FakeClient)
    monkeypatch.setattr(FakeClient, "failure", None)
    FakeClient.scripts.clear()
    secret = tmp_path / "password"
    secret.touch(mode=0o600)
    secret.write_text("hunter2\n")
    settings = SourceConfig(url="hyperv://admin@hv1/", password_file=secret)
    yield powershell.over_winrm("hv1", 5986, "admin", settings, settings.url)
    config.load.cache_clear()


def test_winrm_is_verified_and_encrypted(winrm: powershell.Run) -> None:
    assert powershell.ask(winrm, "hv1", "5") == [5]
    made = FakeClient.made
    assert (made["ssl"], made["cert_validation"], made["auth"], made["port"]) == (True, True, "negotiate", 5986)
    assert made["password"] == "hunter2"
    assert "hunter2" not in FakeClient.scripts[0]


def test_winrm_that_can_t_be_reached(winrm: powershell.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeClient, "failure", requests.exceptions.ConnectionError("refused"))
    with pytest.raises(InputError, match="hv1:5986 can't be reached: refused"):
        powershell.ask(winrm, "hv1", "5")


def test_winrm_that_does_not_let_in(winrm: powershell.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from pypsrp.exceptions import AuthenticationError, WinRMTransportError

    monkeypatch.setattr(FakeClient, "failure", AuthenticationError("no"))
    with pytest.raises(InputError, match="does not let admin in"):
        powershell.ask(winrm, "hv1", "5")
    monkeypatch.setattr(FakeClient, "failure", WinRMTransportError("http", 500, "broken"))
    with pytest.raises(StepFailed, match="WinRM on hv1"):
        powershell.ask(winrm, "hv1", "5")


def test_a_thumbprint_is_no_trust_for_winrm() -> None:
    settings = SourceConfig(url="hyperv://admin@hv1/", thumbprint="00")
    with pytest.raises(InputError, match="ca_file"):
        powershell.over_winrm("hv1", 5986, "admin", settings, settings.url)("5", 10)


def test_one_that_is_described_oddly_keeps_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = {"id": "ABC", "name": "odd", "state": "Off"}
    good = next(m for m in GOLDEN if m["name"] == "web")
    monkeypatch.setattr(HyperV, "_ask", lambda *_args, **_options: [odd, good])
    found = {m.name: m for m in HyperV("hyperv+ssh://lab@hv1/").discover()}
    assert (found["odd"].id, found["web"].blockers) == ("abc", ())
    assert "not understood" in found["odd"].blockers[0]
