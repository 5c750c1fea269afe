"""A running machine that is known only by SSH moves into the cloud, and back."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from lab.parts import physical

from .conftest import Lab, until

# Its guest is a whole Debian without KVM: each of these takes minutes.
pytestmark = [pytest.mark.lab, pytest.mark.slow]
MAP = "networks: {10.99.0.0/24: private}\nsecurity_groups: [open]\n"


def on_it(*argv: str) -> str:
    """Run a command on the machine, by a client that is not the product's."""
    return subprocess.run([*physical.ssh(), *argv], check=True, capture_output=True, text=True, timeout=60).stdout


def sha256(file: Path) -> str:
    with file.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


@pytest.fixture
def machine(lab: Lab) -> Lab:
    """The lab with the physical machine running."""
    lab.run("add", "physical")
    lab.env.update(physical.environment())
    until(physical.answers, "the physical machine to answer", timeout=300)
    return lab


def _orders() -> int:
    return int(on_it("cat", "/srv/orders"))


def _let_go(before: int) -> None:
    assert on_it("systemctl", "is-active", "lab-ledger").strip() == "active"
    assert on_it("sudo", "ls", "-A", "/run").count("blue-wizard\n") == 0
    assert "1 / ext4 rw" in on_it("cat", "/proc/mounts")
    until(lambda: _orders() > before, "the machine's business to go on", timeout=60)


@pytest.mark.way("physical", "cold")
def test_a_running_machine_moves_and_comes_back(machine: Lab, tmp_path: Path) -> None:
    before = machine.inventory()
    (found,) = machine.json("migrate", "discover", "ledger")
    assert (found["name"], found["blockers"], found["power"]) == ("ledger", [], "on")
    # The kernel does not always find its disks in one order.
    sizes = {file.stat().st_size: file for file in (physical.SYSTEM, physical.DATA)}
    assert [d["size"] for d in found["disks"] if d["boot"]] == [physical.SYSTEM.stat().st_size]
    map_file, wave = tmp_path / "map.yaml", tmp_path / "wave.yaml"
    map_file.write_text(MAP)
    machine.bw("migrate", "plan", "ledger", "--map", map_file, "--shutdown", "--out", wave)
    assert "convert: false" in wave.read_text()
    ordered = _orders()

    (vm,) = machine.json("migrate", "run", wave, "--yes")["report"]["vms"]

    assert vm["state"] == "done"
    # The machine still stands still, so its disks can be compared with the copies, by other programs than the product's.
    assert {d["size"] for d in vm["disks"]} == set(sizes)
    for disk in vm["disks"]:
        assert disk["sha256"] == sha256(sizes[disk["size"]])
    last = int(on_it("cat", "/srv/orders"))
    assert last >= ordered
    server = machine.connect().compute.get_server(vm["server_id"])
    assert (server.name, server.status) == ("ledger", "ACTIVE")
    # It carries on with its business where the machine has stopped, on both of its disks.
    said = machine.run("guest", server.id, "wait", "--timeout", "200", "--text", f"LAB: orders={last + 1}").stdout
    assert f"orders={last + 1}" in said

    machine.bw("migrate", "rollback", wave, "--yes")

    assert machine.inventory() == before
    _let_go(last)


def test_a_machine_that_was_not_asked_is_not_held(machine: Lab, tmp_path: Path) -> None:
    map_file, wave = tmp_path / "map.yaml", tmp_path / "wave.yaml"
    map_file.write_text(MAP)
    machine.bw("migrate", "plan", "ledger", "--map", map_file, "--convert", "never", "--out", wave)
    refused = machine.bw("migrate", "run", wave, "--yes", code=3)
    assert "ledger" in refused.stderr
    _let_go(_orders())
