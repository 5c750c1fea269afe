"""Machines of the lab's Hyper-V host move into the cloud, and back. Its disks are real; what PowerShell says is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.parts import hyperv

from .conftest import Lab

pytestmark = pytest.mark.lab
MAP = "networks: {LAN vlan 20: private, LAN: private}\nsecurity_groups: [open]\n"


@pytest.fixture(scope="module")
def _added(_lab_up: None) -> Iterator[None]:
    lab = Lab(env={}, state=Path("unused"))
    lab.run("add", "hyperv")
    yield
    lab.run("remove", "hyperv")


@pytest.fixture
def host(lab: Lab, _added: None) -> Lab:
    """The lab with its Hyper-V host, as at first; the host goes with the last test."""
    hyperv.reset()
    lab.env.update(hyperv.environment())
    return lab


def test_what_can_move_and_what_can_t(host: Lab) -> None:
    found = {m["name"]: m for m in host.json("migrate", "discover", "hv1")}
    assert set(found) == {m["name"] for m in hyperv.machines()}
    free = {"web", "gen2", "网店", "no-services"}
    assert {name for name, m in found.items() if not m["blockers"]} == free
    assert (found["gen2"]["firmware"], found["gen2"]["secure_boot"]) == ("uefi", True)
    assert found["web"]["power"] == "on"


@pytest.mark.way("hyperv", "cold")
@pytest.mark.slow
def test_a_chain_over_smb_starts_on_the_target_and_comes_back(host: Lab, tmp_path: Path) -> None:
    before = host.inventory()
    map_file, wave = tmp_path / "map.yaml", tmp_path / "wave.yaml"
    map_file.write_text(MAP)
    # Its disks can't be looked into while it runs.
    options = ["--shutdown", "--convert", "never", "--keep-mac"]
    host.bw("migrate", "plan", "hv1", "--match", "web", "--map", map_file, *options, "--out", wave)

    (vm,) = host.json("migrate", "run", wave, "--yes")["report"]["vms"]

    assert vm["state"] == "done"
    assert hyperv.state("web") == "Off"
    assert set(vm["answers"].values()) == {"answers"}
    server = host.connect().compute.get_server(vm["server_id"])
    assert (server.name, server.status) == ("web", "ACTIVE")
    console = host.run("guest", server.id, "wait", "--timeout", "60").stdout
    assert "mac=00:15:5d:0a:01:02" in console
    # What the disks hold was known before they were cut into files of a chain; and it is read back by another program.
    expected = hyperv.expected()
    for disk in vm["disks"]:
        assert disk["sha256"] == expected[disk["source"]]
        assert host.rbd_sha256(disk["target"].removeprefix("rbd:"), disk["size"]) == expected[disk["source"]]

    host.bw("migrate", "rollback", wave, "--yes")

    assert host.inventory() == before
    assert hyperv.state("web") == "Running"


def test_a_guest_without_the_shutdown_service_is_refused(host: Lab, tmp_path: Path) -> None:
    before = host.inventory()
    map_file, wave = tmp_path / "map.yaml", tmp_path / "wave.yaml"
    map_file.write_text(MAP)
    options = ["--shutdown", "--convert", "never"]
    host.bw("migrate", "plan", "hv1", "--match", "no-services", "--map", map_file, *options, "--out", wave)
    refused = host.bw("migrate", "run", wave, "--yes", code=2)
    assert "shutdown service" in refused.stderr
    assert host.inventory() == before
    assert hyperv.state("no-services") == "Running"
