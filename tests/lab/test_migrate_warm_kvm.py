"""A guest that writes all the time moves into the cloud while it runs, and nothing that it was told to be written is lost."""

from __future__ import annotations

import hashlib
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.parts.kvm_guests import GUESTS, IMAGES, console

from .conftest import ROOT, Lab, image_sha256, until

pytestmark = pytest.mark.lab
GUEST = GUESTS["diary"]
DATA = IMAGES / "diary-data.qcow2"
RECORD = 4096


def virsh(lab: Lab, *args: str, code: int | None = 0) -> str:
    return lab.on("kvm1", "virsh", "-q", "-c", "qemu:///system", *args, code=code)


def told() -> int:
    """The last record of which the guest has told that it is on the disk; -1 when it has told of none."""
    text = console(GUEST.name).read_text(errors="replace") if console(GUEST.name).exists() else ""
    return max((int(n) for n in re.findall(r"^LAB: wrote (\d+)\r?$", text, re.M)), default=-1)


def whole(records: bytes) -> int:
    """How many records from the first on are there, whole and in their order."""
    for n in range(len(records) // RECORD):
        line = records[n * RECORD : (n + 1) * RECORD].rstrip(b"\0").decode(errors="replace").strip()
        text, _space, digest = line.rpartition(" ")
        if text.split()[:2] != ["diary", str(n)] or hashlib.sha256(f"{text}\n".encode()).hexdigest() != digest:
            return n
    return len(records) // RECORD


def exported(lab: Lab, image: str) -> bytes:
    argv = ["rbd", "export", "--no-progress", image, "-", "--conf", lab.env["CEPH_CONF"]]
    return subprocess.run(argv, check=True, capture_output=True, env=lab.environment).stdout


@pytest.fixture
def diary(lab: Lab) -> Iterator[Lab]:
    """The guest runs and writes; afterwards it is off again, and nothing of ours is left at its host."""
    virsh(lab, "start", GUEST.name, code=None)
    begun = told()
    until(lambda: told() > begun + 5, "the guest to write")
    yield lab
    assert virsh(lab, "checkpoint-list", GUEST.name, "--name").split() == []
    assert "blue-wizard" not in lab.on("kvm1", "sh", "-c", f"ls /var/tmp; ls {IMAGES}")
    virsh(lab, "destroy", GUEST.name, "--graceful", code=None)
    bitmaps = subprocess.run(["qemu-img", "info", "-U", DATA], check=True, capture_output=True, text=True).stdout
    assert "blue-wizard" not in bitmaps.replace(str(DATA), "")


def plan(lab: Lab, folder: Path, *options: str, edit: tuple[str, str] | None = None) -> Path:
    map_file, wave = folder / "map.yaml", folder / "wave.yaml"
    map_file.write_text("networks: {default: private}\nsecurity_groups: [open]\n")
    argv = ["--match", GUEST.name, "--map", map_file, "--shutdown", "--warm", *options, "--out", wave]
    lab.bw("migrate", "plan", "kvm1", *argv)
    if edit:
        text = wave.read_text()
        assert edit[0] in text
        wave.write_text(text.replace(*edit))
    return wave


def report_of(lab: Lab, wave: Path) -> dict[str, Any]:
    (view,) = lab.json("migrate", "status", wave, code=None)
    (vm,) = view["report"]["vms"]
    return dict(vm)


def equal_to_the_source(lab: Lab, vm: dict[str, Any], scratch: Path) -> None:
    """The hashes of the report are those of the source's disks, which stand still since it was shut down."""
    for name, disk in zip(("diary", "diary-data"), vm["disks"], strict=True):
        assert disk["sha256"] == image_sha256(IMAGES / f"{name}.qcow2", "qcow2", scratch)


@pytest.mark.way("kvm", "warm")
@pytest.mark.drawn("KVM")
def test_nothing_that_was_told_is_lost(diary: Lab, tmp_path: Path) -> None:
    lab = diary
    before = lab.inventory()
    wave = plan(lab, tmp_path, "--downtime", "30s")

    lab.bw("migrate", "run", wave, "--yes", code=4)

    # It runs on, and it was copied in full and in two rounds of changes at least.
    rounds = report_of(lab, wave)["warm"]["rounds"]
    assert [r["kind"] for r in rounds[:2]] == ["full", "changes"]
    waits = told()
    until(lambda: told() > waits, "the guest to write on")

    lab.bw("migrate", "cutover", wave, "--yes")

    vm = report_of(lab, wave)
    assert vm["state"] == "done"
    kinds = [r["kind"] for r in vm["warm"]["rounds"]]
    assert kinds.count("changes") == len(kinds) - 1 >= 3
    assert vm["warm"]["last_s"] < 30
    assert vm["downtime_s"] > 0
    print(f"downtime {vm['downtime_s']} s, the last round {vm['warm']['last_s']} s, rounds {len(kinds)}")
    last = told()
    assert last > waits
    equal_to_the_source(lab, vm, tmp_path)
    target = vm["disks"][1]["target"].removeprefix("rbd:")
    # The server writes on where the guest has ended; what was told before is all there.
    assert whole(exported(lab, target)[: (last + 1) * RECORD]) == last + 1
    shown = lab.run("guest", vm["server_id"], "wait", "--timeout", "60").stdout
    assert "LAB: ready" in shown

    lab.bw("migrate", "rollback", wave, "--yes")
    assert lab.inventory() == before
    until(lambda: told() > last, "the source to run again, and to write on")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "phase"), [(s, p) for s in ("warm", "off", "final", "forget") for p in ("before", "during", "after")]
)
def test_killed_in_a_round(diary: Lab, tmp_path: Path, step: str, phase: str) -> None:
    lab = diary
    before = lab.inventory()
    wave = plan(lab, tmp_path, "--downtime", "60s", "--cutover", "auto", edit=("start: true", "start: false"))
    marker = tmp_path / "killed"
    lab.extra = {
        "BLUE_WIZARD_PLUGINS": "killer",
        "PYTHONPATH": f"{ROOT / 'tests' / 'crash'}:{ROOT / 'src'}",
        "BW_KILL": f"{step}:{phase}:{marker}",
    }
    lab.bw("migrate", "run", wave, "--yes", code=4)
    assert marker.exists()
    job = lab.json("job", "list")[0]["id"]
    assert lab.json("job", "resume", job)["state"] == "done"
    vm = report_of(lab, wave)
    equal_to_the_source(lab, vm, tmp_path)
    # The server was not started: its disks can be read by other eyes too.
    for disk in vm["disks"]:
        assert lab.rbd_sha256(disk["target"].removeprefix("rbd:"), disk["size"]) == disk["sha256"]
    lab.bw("migrate", "rollback", wave, "--yes")
    assert lab.inventory() == before
    assert virsh(lab, "domstate", GUEST.name).strip() == "running"


@pytest.mark.slow
def test_a_broken_bitmap_is_told_and_compared(diary: Lab, tmp_path: Path) -> None:
    lab = diary
    before = lab.inventory()
    wave = plan(lab, tmp_path, "--downtime", "60s", edit=("start: true", "start: false"))
    lab.bw("migrate", "run", wave, "--yes", code=4)
    lab.on("kvm1", "sh", "-c", f"kill -9 $(cat /run/libvirt/qemu/{GUEST.name}.pid)")
    until(lambda: virsh(lab, "domstate", GUEST.name).strip() == "shut off", "QEMU to be gone")
    virsh(lab, "start", GUEST.name)
    time.sleep(1)
    until(lambda: told() > 0, "the guest to write again")

    lab.bw("migrate", "cutover", wave, "--yes")

    vm = report_of(lab, wave)
    assert vm["state"] == "done"
    compared = [r for r in vm["warm"]["rounds"] if r["kind"] == "compare"]
    assert compared
    assert any("bitmap" in note for note in compared[0]["notes"])
    equal_to_the_source(lab, vm, tmp_path)
    for disk in vm["disks"]:
        assert lab.rbd_sha256(disk["target"].removeprefix("rbd:"), disk["size"]) == disk["sha256"]
    lab.bw("migrate", "rollback", wave, "--yes")
    assert lab.inventory() == before


@pytest.mark.slow
def test_what_does_not_fit_is_not_shut_down(diary: Lab, tmp_path: Path) -> None:
    lab = diary
    before = lab.inventory()
    # One second is less than any comparison of the whole takes here.
    wave = plan(lab, tmp_path, "--downtime", "1s")
    lab.bw("migrate", "run", wave, "--yes", code=4)
    refused = lab.bw("migrate", "cutover", wave, "--yes", code=3)
    assert "--anyway" in refused.stderr
    assert virsh(lab, "domstate", GUEST.name).strip() == "running"
    writes = told()
    lab.bw("migrate", "rollback", wave, "--yes")
    assert lab.inventory() == before
    until(lambda: told() > writes, "the source to write on, as if nothing had been")


def test_a_guest_that_is_read_warm_needs_consent_to_its_shutdown(diary: Lab, tmp_path: Path) -> None:
    lab = diary
    before = lab.inventory()
    wave = plan(lab, tmp_path, edit=("shutdown: true", "shutdown: false"))
    refused = lab.bw("migrate", "run", wave, "--yes", code=3)
    assert GUEST.name in refused.stderr
    assert lab.inventory() == before
