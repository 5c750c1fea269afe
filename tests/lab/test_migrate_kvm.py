"""A running KVM guest with two disks and two cards moves into the cloud, and back."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from blue_wizard.jobs.ledger import Ledger
from lab.parts.kvm_guests import GUESTS, IMAGES

from .conftest import Lab, image_sha256, until

pytestmark = pytest.mark.lab
GUEST = GUESTS["tiny2"]
MAP = "networks: {default: private, backend: storage}\nsecurity_groups: [open]\n"
KEEP_MAP = "networks: {default: legacy, backend: legacy-backend}\nsecurity_groups: [open]\n"


def _source_answers(lab: Lab) -> bool:
    return lab.run("guest", GUEST.name, "ping", code=None).returncode == 0


def _edit(wave: Path, **fields: object) -> None:
    text = yaml.safe_load(wave.read_text())
    text["vms"][0] |= fields
    wave.write_text(yaml.safe_dump(text))


def _at_once(lab: Lab, job: str) -> int:
    """How many disks were copied at the same time."""
    steps = [s for s in lab.json("job", "show", job)["steps"] if s["id"].startswith("import.")]
    return max(sum(s["started"] <= at["started"] < s["started"] + s["took_s"] for s in steps) for at in steps)


@pytest.mark.way("kvm", "cold")
@pytest.mark.drawn("KVM")
@pytest.mark.parametrize("keep", [False, True], ids=["new-addresses", "keep-ip-keep-mac"])
def test_two_disks_two_cards(lab: Lab, tmp_path: Path, keep: bool) -> None:
    until(lambda: _source_answers(lab), "the source to answer")
    before = lab.inventory()
    map_file, wave = tmp_path / "map.yaml", tmp_path / "wave.yaml"
    map_file.write_text(KEEP_MAP if keep else MAP)
    options = ["--keep-ip", "--keep-mac", "--disks-at-once", "2"] if keep else []
    lab.bw("migrate", "plan", "kvm1", "--match", GUEST.name, "--map", map_file, "--shutdown", *options, "--out", wave)
    _edit(wave, tcp_ports=[22])

    (vm,) = lab.json("migrate", "run", wave, "--yes")["report"]["vms"]

    assert vm["state"] == "done"
    cloud = lab.connect()
    server = cloud.compute.get_server(vm["server_id"])
    assert (server.name, server.status) == (GUEST.name, "ACTIVE")
    assert len(vm["addresses"]) == 2
    assert set(vm["answers"].values()) == {"answers"}
    assert vm["services"] == {"22": "open"}
    ports = list(cloud.network.ports(device_id=server.id))
    if keep:
        assert sorted(vm["addresses"]) == sorted(GUEST.address(i) for i in range(2))
        assert {p.mac_address for p in ports} == {GUEST.mac(i) for i in range(2)}
    # Our own eyes: its console tells both cards with their addresses, and a ping from the DHCP namespaces returns.
    console = lab.run("guest", server.id, "wait", "--timeout", "60").stdout
    assert all(f"ip={a};" in console for a in vm["addresses"])
    assert lab.run("guest", server.id, "ping").stdout.count("answers") == 2
    # The tiny guest never writes, so its disks can still be compared, by other programs than the product's.
    for name, disk in zip(("tiny2", "tiny2-data"), vm["disks"], strict=True):
        expected = image_sha256(IMAGES / f"{name}.qcow2", "qcow2", tmp_path)
        assert disk["sha256"] == expected
        assert lab.rbd_sha256(disk["target"].removeprefix("rbd:"), disk["size"]) == expected
    assert "shut off" in lab.on("kvm1", "virsh", "-c", "qemu:///system", "domstate", GUEST.name)
    assert vm["downtime_s"] > 0
    assert _at_once(lab, vm["job"]) == (2 if keep else 1)

    lab.bw("migrate", "rollback", wave, "--yes")

    assert lab.inventory() == before
    until(lambda: _source_answers(lab), "the source to answer again")


def test_a_service_that_does_not_come_up_brings_the_machine_back(lab: Lab, tmp_path: Path) -> None:
    until(lambda: _source_answers(lab), "the source to answer")
    before = lab.inventory()
    map_file, wave = tmp_path / "map.yaml", tmp_path / "wave.yaml"
    map_file.write_text(MAP)
    lab.bw("migrate", "plan", "kvm1", "--match", GUEST.name, "--map", map_file, "--shutdown", "--out", wave)
    _edit(wave, tcp_ports=[22, 443], verify_timeout=45)
    failed = lab.bw("migrate", "run", wave, "--yes", code=5)
    assert "refuses TCP port 443" in failed.stdout
    assert "TCP port 22" not in failed.stdout
    assert lab.inventory() == before
    until(lambda: _source_answers(lab), "the source to answer again")


def test_a_running_guest_is_not_touched_without_consent(lab: Lab, tmp_path: Path) -> None:
    until(lambda: _source_answers(lab), "the source to answer")
    before = lab.inventory()
    map_file, wave = tmp_path / "map.yaml", tmp_path / "wave.yaml"
    map_file.write_text(MAP)
    lab.bw("migrate", "plan", "kvm1", "--match", GUEST.name, "--map", map_file, "--out", wave)
    refused = lab.bw("migrate", "run", wave, "--yes", code=3)
    assert GUEST.name in refused.stderr
    assert lab.inventory() == before
    assert _source_answers(lab)


def test_a_source_that_is_started_while_it_is_copied_pauses_the_job(lab: Lab, tmp_path: Path) -> None:
    until(lambda: _source_answers(lab), "the source to answer")
    before = lab.inventory()
    map_file, wave = tmp_path / "map.yaml", tmp_path / "wave.yaml"
    map_file.write_text(MAP)
    # Slowly, so that there is time to start it.
    options = ("--shutdown", "--max-rate", "500K")
    lab.bw("migrate", "plan", "kvm1", "--match", GUEST.name, "--map", map_file, *options, "--out", wave)
    lab.extra = {"BLUE_WIZARD_INVARIANT_EVERY_S": "0.2"}
    job = lab.json("migrate", "run", wave, "--yes", "--detach")["job"]
    ledger = Ledger(f"sqlite:///{lab.state}/ledger.db")
    (first,) = (i for i, s in enumerate(ledger.plan(f"{job}.1").steps) if s.id == "import.0")
    # A step that only begins still looks whether the machine is off.
    until(lambda: (ledger.steps(f"{job}.1")[first]["progress"] or {}).get("done"), "the first disk to be on its way")
    lab.on("kvm1", "virsh", "-c", "qemu:///system", "start", GUEST.name)
    watched = lab.bw("job", "watch", job, code=4)
    assert f"{GUEST.name} was started" in watched.stdout
    view = lab.json("job", "show", job)
    assert view["children"][0]["state"] == "paused"
    lab.bw("job", "rollback", job, "--yes")
    assert lab.inventory() == before
    until(lambda: _source_answers(lab), "the source to answer again")


def test_a_flavor_that_asks_something_of_hosts_is_not_chosen_by_itself(lab: Lab, tmp_path: Path) -> None:
    until(lambda: _source_answers(lab), "the source to answer")
    map_file, wave = tmp_path / "map.yaml", tmp_path / "wave.yaml"
    map_file.write_text(MAP)

    def planned() -> dict[str, object]:
        lab.bw("migrate", "plan", "kvm1", "--match", GUEST.name, "--map", map_file, "--shutdown", "--out", wave)
        found: dict[str, object] = yaml.safe_load(wave.read_text())["vms"][0]
        return found

    before = planned()
    compute = lab.connect().compute
    made = compute.create_flavor(name="just-right", vcpus=before["vcpus"], ram=before["memory"], disk=0)
    try:
        compute.create_flavor_extra_specs(made, {"hw:cpu_policy": "dedicated"})
        assert planned()["flavor"] == before["flavor"]
        compute.delete_flavor_extra_specs_property(made, "hw:cpu_policy")
        assert planned()["flavor"] == "just-right"
    finally:
        compute.delete_flavor(made)
