"""Machines of a vCenter: what can't move and why, a cold migration through API and HTTPS, and back."""

from __future__ import annotations

import hashlib
import json
import shlex
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.guests import cache
from lab.parts import vcenter

from .conftest import ROOT, Lab, until

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


@pytest.mark.way("vsphere", "cold")
@pytest.mark.drawn("VMware")
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


GUEST = """
import hashlib, os, signal, sys, time
disk, acknowledged, pid = os.open(sys.argv[1], os.O_RDWR), open(sys.argv[2], "w"), open(sys.argv[3], "w")
print(os.getpid(), file=pid, flush=True)
on = [True]
signal.signal(signal.SIGTERM, lambda *_: on.clear())
n = 0
while on:
    n += 1
    body = b"%020d" % n + os.urandom(444)
    record = body + hashlib.sha256(body).digest() + bytes(16)
    os.pwrite(disk, record, (4 << 20) + (n % 40000) * 512)
    print(n, file=acknowledged, flush=True)
    time.sleep(0.002)
"""
"""Writes records with checksums all the time, acknowledges each, and ends when its machine is shut down."""


@pytest.fixture
def writer(site: Lab, tmp_path: Path) -> Iterator[Path]:
    """A process on the simulator's host that writes to the second disk of vm-shop; the file of what it has acknowledged."""
    acknowledged, pid = vcenter.FOLDER / "acknowledged", vcenter.FOLDER / "writer.pid"
    pid.unlink(missing_ok=True)
    disk = vcenter.flat("vm-shop", "vm-shop_1")
    argv = [
        str(ROOT / "lab" / "lab"),
        "exec",
        "ctl1",
        "--",
        "python3",
        "-c",
        GUEST,
        str(disk),
        str(acknowledged),
        str(pid),
    ]
    with subprocess.Popen(argv) as guest:
        end = time.monotonic() + 20
        while not (pid.exists() and pid.read_text().strip()):
            assert time.monotonic() < end
            time.sleep(0.1)
        # The simulator stands still for it while a snapshot is taken, and ends it at a shutdown.
        inside = int(pid.read_text())
        site.run("vcenter", "machine", json.dumps({"Machine": "vm-shop", "Pid": inside}))
        yield acknowledged
        site.run("exec", "ctl1", "--", "kill", "-9", str(inside), code=None)
        # nsenter stands still with its child, and would never see it end.
        guest.send_signal(signal.SIGCONT)
        guest.wait(20)
    for file in (acknowledged, pid):
        file.unlink(missing_ok=True)


def _records(data: bytes) -> set[int]:
    """The numbers of all records; each of them has to be whole. Where none was written, the disk has its first content."""
    found = set()
    for at in range(4 << 20, len(data) - 511, 512):
        body = data[at : at + 464]
        if body[:20].isdigit():
            assert hashlib.sha256(body).digest() == data[at + 464 : at + 496], f"a torn record at {at}"
            found.add(int(body[:20]))
    return found


@pytest.mark.way("vsphere", "warm")
@pytest.mark.drawn("VMware")
@pytest.mark.parametrize("read", ["https", pytest.param("lease", marks=pytest.mark.slow)])
def test_copied_while_it_runs_and_nothing_that_was_acknowledged_is_lost(
    site: Lab, tmp_path: Path, writer: Path, read: str
) -> None:
    before = site.inventory()
    site.extra = {f"{PREFIX}READ": read}
    wave = _wave(site, tmp_path, "vm-shop", "--shutdown", "--warm", "--downtime", "60s")
    plan = json.loads(site.bw("migrate", "run", wave, "--plan", "-o", "json").stdout)
    ways = [p["detail"] for p in plan["preconditions"] if "how its disks are read" in p["title"]]
    assert ways
    assert all(("export lease" in w) is (read == "lease") for w in ways)

    site.bw("migrate", "run", wave, "--yes", "--detach")
    end = time.monotonic() + 240
    while not (view := json.loads(site.bw("migrate", "status", wave, "-o", "json", code=None).stdout)[0])["gate"]:
        assert not view["ended"], view
        assert time.monotonic() < end, view
        time.sleep(2)
    done = json.loads(site.bw("migrate", "cutover", wave, "--yes", "-o", "json").stdout)
    (vm,) = done[0]["report"]["vms"]

    assert vm["state"] == "done"
    kinds = [r["kind"] for r in vm["warm"]["rounds"]]
    assert kinds[0] == "full"
    assert kinds.count("changes") >= 2
    assert vm["downtime_s"] is not None
    print(f"downtime {vm['downtime_s']} s, last round {vm['warm']['last_s']} s, rounds {kinds}")
    for disk, name in zip(vm["disks"], ("vm-shop", "vm-shop_1"), strict=True):
        assert disk["sha256"] == _sha256(vcenter.flat("vm-shop", name))
    last = int(writer.read_text().split()[-1])
    records = _records(vcenter.flat("vm-shop", "vm-shop_1").read_bytes())
    assert max(records) >= last
    assert set(range(max(1, last - 39000), last + 1)) <= records
    state = json.loads(site.run("vcenter", "state").stdout)["machines"]
    assert state["vm-shop"] == {"power": "poweredOff", "snapshots": [], "tracked": False}
    server = site.connect().compute.get_server(vm["server_id"])
    assert (server.metadata["tag:tier"], server.metadata["tag:owner"]) == ("web", "shop")
    for kind in ("xlsx", "html"):
        site.bw("migrate", "report", wave, "--out", tmp_path / f"wave.{kind}")
        assert (tmp_path / f"wave.{kind}").stat().st_size > 1000

    site.bw("migrate", "rollback", wave, "--yes")
    assert site.inventory() == before
    assert _machine(site, "vm-shop")["power"] == "on"


@pytest.mark.drawn("staging folder")
def test_through_a_staging_folder_and_as_a_stream(site: Lab, tmp_path: Path) -> None:
    before = site.inventory()
    (tmp_path / "staging").mkdir()
    site.run("vcenter", "faults", '{"NoPlainFiles": true}')
    wave = _wave(site, tmp_path, "plain", "--staging", str(tmp_path / "staging"))
    # Its disk holds no system.
    wave.write_text(wave.read_text().replace("start: true", "start: false"))
    assert "start: false" in wave.read_text()
    (vm,) = site.json("migrate", "run", wave, "--yes")["report"]["vms"]
    assert vm["disks"][0]["sha256"] == _sha256(vcenter.flat("plain", "disk"))
    assert list((tmp_path / "staging").iterdir()) == []
    site.bw("migrate", "rollback", wave, "--yes")
    assert site.inventory() == before


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_a_guest_without_virtio_drivers_is_converted(site: Lab, tmp_path: Path) -> None:
    before = site.inventory()
    system, data = (vcenter.flat("old-shop", name) for name in ("system", "data"))
    subprocess.run(["cp", "--sparse=always", cache.get("debian-legacy"), system], check=True)
    (tmp_path / "map.yaml").write_text(MAP)
    wave = tmp_path / "wave.yaml"
    options = ["--match", "old-shop", "--map", str(tmp_path / "map.yaml"), "--out", str(wave)]
    site.bw("migrate", "plan", "vcenter", *options)
    text = yaml.safe_load(wave.read_text())
    assert text["vms"][0]["convert"] is True
    text["vms"][0]["verify_timeout"] = 300
    wave.write_text(yaml.safe_dump(text))

    (vm,) = site.json("migrate", "run", wave, "--yes")["report"]["vms"]

    assert vm["state"] == "done"
    # What was copied is the source's; the conversion comes after that, and leaves the second disk alone.
    assert [d["sha256"] for d in vm["disks"]] == [_sha256(system), _sha256(data)]
    copies = [d["target"].removeprefix("rbd:") for d in vm["disks"]]
    assert site.rbd_sha256(copies[1], data.stat().st_size) == _sha256(data)
    assert site.rbd_sha256(copies[0], system.stat().st_size) != _sha256(system)
    assert set(vm["answers"].values()) == {"answers"}
    console = site.run("guest", vm["server_id"], "wait", "--timeout", "120").stdout
    assert all(f"ip={a};" in console for a in vm["addresses"])
    assert len(vm["addresses"]) == 2

    site.bw("migrate", "rollback", wave, "--yes")
    assert site.inventory() == before


HOOK = """#!/bin/sh
echo "$1 $BW_WHEN $BW_NAME" >> {told}
"""


@pytest.mark.slow
def test_the_way_of_the_how_to(site: Lab, tmp_path: Path) -> None:
    """docs/how-to/migrate-from-vmware.md, step by step."""
    before = site.inventory()
    # 2. Name the source, by the fingerprint that openssl tells.
    argv = ["openssl", "x509", "-in", str(vcenter.FOLDER / "cert.pem"), "-noout", "-fingerprint", "-sha256"]
    told = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    config = yaml.safe_load(Path(site.env["BLUE_WIZARD_CONFIG"]).read_text())
    source = {"url": vcenter.URL, "password_file": str(vcenter.FOLDER / "password")}
    config["sources"] = {"vc": {**source, "thumbprint": told.split("=")[1].strip()}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    for name in [n for n in site.env if n.startswith(PREFIX)]:
        del site.env[name]
    site.env["BLUE_WIZARD_CONFIG"] = str(tmp_path / "config.yaml")

    # 3. See what can move.
    assert "vm-shop" in site.bw("migrate", "discover", "vc").stdout
    (shop,) = site.json("migrate", "discover", "vc", "--match", "vm-s*")
    assert shop["blockers"] == []

    # 4. Plan and run; two that DRS keeps apart, in two groups, with commands of one's own around each (6.).
    (tmp_path / "map.yaml").write_text(MAP)
    hook, said = tmp_path / "hook", tmp_path / "said"
    hook.write_text(HOOK.format(told=said))
    hook.chmod(0o755)
    wave = tmp_path / "wave.yaml"
    common = ["--map", tmp_path / "map.yaml", "--convert", "never", "--out"]
    site.bw("migrate", "plan", "vc", "--match", "twin*", *common, wave)
    data = yaml.safe_load(wave.read_text())
    assert [g["policy"] for g in data["server_groups"]] == ["soft-anti-affinity"]
    names = [vm["name"] for vm in data["vms"]]
    for vm, group in zip(data["vms"], ("databases", "others"), strict=True):
        # Their disks hold no system.
        vm.update(start=False, group=group)
    data["hooks"] = [
        {"when": when, "match": "twin*", "command": [str(hook), "do"], "undo": [str(hook), "undo"]}
        for when in ("before", "down", "after")
    ]
    wave.write_text(yaml.safe_dump(data))
    assert "hook" in site.bw("migrate", "run", wave, "--plan").stdout
    site.bw("migrate", "run", wave, "--group", "databases", "--yes")
    assert said.read_text().splitlines() == [f"do {when} {names[0]}" for when in ("before", "down", "after")]
    site.bw("migrate", "run", wave, "--group", "others", "--yes")
    states = site.json("migrate", "status", wave)
    servers = [vm["server_id"] for job in states for vm in job["report"]["vms"]]
    (group,) = [g for g in site.connect().compute.server_groups() if g.name == data["server_groups"][0]["name"]]
    assert (set(group.member_ids), group.policy) == (set(servers), "soft-anti-affinity")
    for kind in ("xlsx", "html", "json"):
        site.bw("migrate", "report", wave, "--out", tmp_path / f"wave.{kind}")
        assert all(n in (tmp_path / f"wave.{kind}").read_text() for n in names if kind != "xlsx")
    site.bw("job", "report", states[0]["job"], "--out", tmp_path / "job.html")
    assert names[0] in (tmp_path / "job.html").read_text()
    site.bw("migrate", "rollback", wave, "--yes")
    assert Counter(line.split()[0] for line in said.read_text().splitlines()) == {"do": 6, "undo": 6}
    assert site.inventory() == before

    # 5. Copy while it runs.
    warm = tmp_path / "warm.yaml"
    options = ["--shutdown", "--warm", "--downtime", "30s"]
    site.bw("migrate", "plan", "vc", "--match", "vm-s*", *options, *common, warm)
    warm.write_text(warm.read_text().replace("bus: scsi", "bus: virtio"))
    site.bw("migrate", "run", warm, "--yes", "--detach")
    until(lambda: json.loads(site.bw("migrate", "status", warm, "-o", "json", code=None).stdout)[0]["gate"], "the gate")
    (job,) = json.loads(site.bw("migrate", "cutover", warm, "--yes", "-o", "json").stdout)
    (vm,) = job["report"]["vms"]
    assert vm["state"] == "done"
    assert vm["downtime_s"] is not None
    assert set(vm["answers"].values()) == {"answers"}
    state = json.loads(site.run("vcenter", "state").stdout)["machines"]
    assert state["vm-shop"] == {"power": "poweredOff", "snapshots": [], "tracked": False}
    site.bw("migrate", "rollback", warm, "--yes")
    assert site.inventory() == before


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
    site.extra = {f"{PREFIX}READ": "https"}
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
