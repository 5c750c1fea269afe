"""Machines of a vCenter: what can't move and why, a cold migration through API and HTTPS, and back."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.parts import vcenter

from .conftest import Lab

pytestmark = pytest.mark.lab
MAP = 'networks: {"VM Network": private, dv-backend: storage}\nsecurity_groups: [open]\n'
PREFIX = "BLUE_WIZARD_SOURCES__VCENTER__"
CANT_MOVE = {
    "rdm": "RDM",
    "shared": "multi-writer",
    "cluster": "bus sharing",
    "vtpm": "TPM",
    "encrypted": "encrypted",
    "volatile": "non-persistent",
    "snapshots": "2 snapshots",
    "suspended": "suspended",
    "diskless": "no disk",
}


@pytest.fixture(scope="module")
def _added(_lab_up: None) -> Iterator[None]:
    lab = Lab(env={}, state=Path("unused"))
    lab.run("add", "vcenter", timeout=300)
    yield
    lab.run("vcenter", "reset")


@pytest.fixture
def site(lab: Lab, _added: None) -> Lab:
    """The lab with its vCenter, all of whose machines are as at first."""
    lab.run("vcenter", "reset")
    words = shlex.split(lab.run("env").stdout)
    lab.env = dict(w.split("=", 1) for w in words if "=" in w)
    return lab


def _machine(lab: Lab, name: str) -> dict[str, Any]:
    (found,) = lab.json("migrate", "discover", "vcenter", "--match", name)
    return dict(found)


def _wave(lab: Lab, folder: Path, match: str, *options: str) -> Path:
    (folder / "map.yaml").write_text(MAP)
    wave = folder / "wave.yaml"
    common = ["--map", str(folder / "map.yaml"), "--convert", "never", "--out", str(wave)]
    lab.bw("migrate", "plan", "vcenter", "--match", match, *common, *options)
    text = wave.read_text().replace("bus: scsi", "bus: virtio")
    wave.write_text(text)
    return wave


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_two_disks_two_cards_and_back(site: Lab, tmp_path: Path) -> None:
    before = site.inventory()
    assert _machine(site, "vm-shop")["power"] == "on"
    wave = _wave(site, tmp_path, "vm-shop", "--shutdown", "--keep-mac")

    (vm,) = site.json("migrate", "run", wave, "--yes")["report"]["vms"]

    assert vm["state"] == "done"
    files = [vcenter.flat("vm-shop", name) for name in ("vm-shop", "vm-shop_1")]
    assert [d["size"] for d in vm["disks"]] == [f.stat().st_size for f in files]
    for disk, file in zip(vm["disks"], files, strict=True):
        assert disk["sha256"] == _sha256(file)
        assert site.rbd_sha256(disk["target"].removeprefix("rbd:"), disk["size"]) == _sha256(file)
    console = site.run("guest", vm["server_id"], "wait", "--timeout", "60").stdout
    assert all(f"ip={a};" in console for a in vm["addresses"])
    assert "mac=00:50:56:aa:01:01" in console
    assert site.run("guest", vm["server_id"], "ping").stdout.count("answers") == 2
    assert _machine(site, "vm-shop")["power"] == "off"

    site.bw("migrate", "rollback", wave, "--yes")

    assert site.inventory() == before
    assert _machine(site, "vm-shop")["power"] == "on"
    # Neither the password nor a session's cookie has reached what is kept.
    secrets = [(vcenter.FOLDER / "password").read_text().encode(), b"vmware_soap_session="]
    kept = [f for f in site.state.rglob("*") if f.is_file()]
    assert kept
    assert [f for f in kept for secret in secrets if secret in f.read_bytes()] == []


def test_sessions_that_end_and_answers_that_break_off_on_the_way(site: Lab, tmp_path: Path) -> None:
    before = site.inventory()
    wave = _wave(site, tmp_path, "twin")
    data = yaml.safe_load(wave.read_text())
    # Of two machines with one name and one BIOS UUID, each has an id and a server's name of its own.
    assert len({vm["id"] for vm in data["vms"]}) == len({vm["name"] for vm in data["vms"]}) == 2
    for vm in data["vms"]:
        vm["start"] = False
    wave.write_text(yaml.safe_dump(data))
    # The four checks of the plan come first (two reads for each descriptor, one for each flat file).
    site.run("vcenter", "faults", json.dumps({"ExpireAfter": 14, "Truncate": 3, "DelayMs": 20}))
    logins = json.loads(site.run("vcenter", "state").stdout)["logins"]
    vms = site.json("migrate", "run", wave, "--yes")["report"]["vms"]
    after = json.loads(site.run("vcenter", "state").stdout)
    assert (after["faults"]["ExpireAfter"], after["faults"]["Truncate"]) == (0, 0)
    assert after["logins"] > logins
    found = {vm["name"]: vm["disks"][0]["sha256"] for vm in vms}
    assert set(found.values()) == {_sha256(vcenter.flat("twin-a", "disk"))}
    site.bw("migrate", "rollback", wave, "--yes")
    assert site.inventory() == before


def test_what_can_not_move_is_told_and_refused(site: Lab, tmp_path: Path) -> None:
    machines = {m["name"]: m for m in site.json("migrate", "discover", "vcenter")}
    assert "网店/Übung" in machines
    for name, word in CANT_MOVE.items():
        assert word in " ".join(machines[name]["blockers"]), name
        assert word in site.bw("migrate", "discover", "vcenter", "--match", name).stdout.replace("\n", " ")
    assert {n for n, m in machines.items() if m["blockers"]} == set(CANT_MOVE)
    # A plan leaves them out; a wave that names one all the same is refused.
    refused = site.bw("migrate", "plan", "vcenter", "--match", "rdm", "--out", tmp_path / "no.yaml", code=2)
    assert "RDM" in refused.stderr
    wave = _wave(site, tmp_path, "plain")
    data = yaml.safe_load(wave.read_text())
    data["vms"][0]["id"] = machines["encrypted"]["id"]
    wave.write_text(yaml.safe_dump(data))
    refused = site.bw("migrate", "run", wave, "--yes", code=3)
    assert "encrypted" in refused.stderr
    assert site.json("job", "list") == []


def test_a_machine_that_nobody_can_shut_down_is_refused_before_anything_is_made(site: Lab, tmp_path: Path) -> None:
    wave = _wave(site, tmp_path, "no-tools", "--shutdown")
    refused = site.bw("migrate", "run", wave, "--yes", code=2)
    assert "VMware Tools do not run in it" in refused.stderr
    assert _machine(site, "no-tools")["power"] == "on"


def test_a_host_that_ignores_ranges_is_refused(site: Lab, tmp_path: Path) -> None:
    wave = _wave(site, tmp_path, "plain")
    site.run("vcenter", "faults", '{"NoRange": true}')
    refused = site.bw("migrate", "run", wave, "--yes", code=2)
    assert "ignores ranges" in refused.stderr


def test_wrong_password_and_wrong_certificate(site: Lab, tmp_path: Path) -> None:
    logins = json.loads(site.run("vcenter", "state").stdout)["logins"]
    wrong = tmp_path / "password"
    wrong.write_text("not the password")
    wrong.chmod(0o600)
    site.extra = {f"{PREFIX}PASSWORD_FILE": str(wrong)}
    refused = site.bw("migrate", "discover", "vcenter", code=2)
    assert "refuses the name or the password of administrator@vsphere.local" in refused.stderr
    assert "not the password" not in refused.stderr
    site.extra = {f"{PREFIX}THUMBPRINT": ":".join(["AB"] * 32)}
    refused = site.bw("migrate", "discover", "vcenter", code=2)
    assert vcenter.thumbprint() in refused.stderr.replace("\n", "")
    # Without a word on its trust, only the system's authorities count.
    del site.env[f"{PREFIX}THUMBPRINT"]
    site.extra = {}
    refused = site.bw("migrate", "discover", "vcenter", code=2)
    assert "is not trusted" in refused.stderr
    assert json.loads(site.run("vcenter", "state").stdout)["logins"] == logins
    site.extra = {f"{PREFIX}CA_FILE": str(vcenter.FOLDER / "cert.pem")}
    assert len(site.json("migrate", "discover", "vcenter", "--match", "plain")) == 1
