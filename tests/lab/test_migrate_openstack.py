"""A project of a cloud and its running server move into another project: for now of the same cloud, see the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import openstack_source
from .conftest import Lab, until
from .openstack_source import ADDRESSES, CIDR, MACS, Source

# Building the source takes half of a test of the daily run.
pytestmark = [pytest.mark.lab, pytest.mark.slow]
GIB = 1 << 30


@pytest.fixture
def before(lab: Lab) -> Iterator[dict[str, set[str]]]:
    """What is there before anything; the same has to be there in the end."""
    found = openstack_source.inventory(lab)
    yield found
    assert openstack_source.inventory(lab) == found


def _plan(lab: Lab, folder: Path, *options: str) -> Path:
    """The wave of the servers, by the mapping that the copy of its project has written."""
    wave = folder / "wave.yaml"
    keep = ("--keep-ip", "--keep-mac", "--shutdown")
    lab.bw("migrate", "plan", "old", "--match", "old-*", "--map", folder / "map.yaml", *keep, *options, "--out", wave)
    return wave


def _answers(lab: Lab, vm: dict[str, Any]) -> None:
    """Our own eyes: its console tells its address, and a ping from the DHCP namespace returns."""
    assert (vm["state"], vm["addresses"]) == ("done", [ADDRESSES[vm["name"]]])
    said = lab.run("guest", vm["server_id"], "wait", "--timeout", "90").stdout
    assert f"ip={ADDRESSES[vm['name']]};" in said
    until(lambda: lab.run("guest", vm["server_id"], "ping", code=None).returncode == 0, "the new server to answer")


def _snapshots(lab: Lab, image: str) -> list[str]:
    return [s["name"] for s in json.loads(lab.rbd("snap", "ls", image, "--format", "json"))]


def _states(source: Source) -> set[str]:
    return {source.cloud.compute.get_server(s.id).status for s in source.servers.values()}


@pytest.mark.way("openstack", "cold")
def test_a_project_and_its_server_by_ceph(lab: Lab, tmp_path: Path, before: dict[str, set[str]]) -> None:
    openstack_source.configured(lab, tmp_path, ceph=True)
    source = openstack_source.build(lab, "old-web")
    try:
        boot = f"volumes/volume-{source.objects['boot']}"
        own = openstack_source.inventory(lab)

        made = lab.json("migrate", "project", "old", "--out", tmp_path / "map.yaml", "--yes")

        assert made["state"] == "done"
        kinds = [o["kind"] for o in made["report"]["objects"]]
        assert {"network", "subnet", "router", "group", "keypair", "image", "volume"} <= set(kinds)
        _project_is_the_same(lab)
        # Once more: nothing is made.
        between = openstack_source.inventory(lab)
        again = lab.json("migrate", "project", "old", "--yes")
        assert (again["job"], again["report"]["objects"]) == (None, [])
        assert openstack_source.inventory(lab) == between

        wave = _plan(lab, tmp_path)
        (vm,) = lab.json("migrate", "run", wave, "--yes")["report"]["vms"]

        _answers(lab, vm)
        cloud = lab.connect()
        server = cloud.compute.get_server(vm["server_id"])
        (port,) = cloud.network.ports(device_id=server.id)
        assert (server.key_name, server.metadata["owner"], port.mac_address) == ("old-key", "tenant", MACS["old-web"])
        assert [cloud.network.get_security_group(g).name for g in port.security_group_ids] == ["old-open"]
        (disk,) = vm["disks"]
        # The tiny guest never writes, so source and target can still be compared, by another program than the product.
        assert lab.rbd_sha256(boot, GIB) == lab.rbd_sha256(disk["target"].removeprefix("rbd:"), GIB) == disk["sha256"]
        assert _states(source) == {"SHUTOFF"}
        assert not [s for s in _snapshots(lab, boot) if "blue-wizard" in s]
        assert vm["downtime_s"] > 0
        refused = lab.bw("migrate", "run", wave, "--yes", code=3)
        assert "old-web" in refused.stderr

        lab.bw("migrate", "rollback", wave, "--yes")
        assert _states(source) == {"ACTIVE"}
        lab.bw("migrate", "rollback", made["job"], "--yes")
        assert openstack_source.inventory(lab) == own
    finally:
        openstack_source.remove(source)


def _project_is_the_same(lab: Lab) -> None:
    cloud = lab.connect()
    network = cloud.network
    project = cloud.current_project_id
    net = network.find_network("old-net", project_id=project)
    assert net.description == "of the tenant"
    (subnet,) = network.subnets(network_id=net.id)
    assert (subnet.name, subnet.cidr, subnet.dns_nameservers) == ("old-subnet", CIDR, ["10.77.0.2"])
    router = network.find_router("old-router", project_id=project)
    owners = {p.device_owner: p.fixed_ips[0]["ip_address"] for p in network.ports(device_id=router.id)}
    assert owners["network:router_interface"] == "10.77.0.1"
    assert "network:router_gateway" in owners
    groups = {g.name: g for g in network.security_groups(project_id=project)}
    named = [r["remote_group_id"] for r in groups["old-open"].security_group_rules]
    assert groups["old-inner"].id in named
    inner = [(r["port_range_min"], r["remote_group_id"]) for r in groups["old-inner"].security_group_rules]
    assert (5432, groups["old-open"].id) in inner
    image = next(i for i in cloud.image.images(name="old-image") if i.owner_id == project)
    assert (image.status, image.min_disk, image.properties["my_property"]) == ("active", 1, "kept")
    (volume,) = (v for v in cloud.block_storage.volumes(name="old-free"))
    assert (volume.status, volume.metadata["owner"]) == ("available", "tenant")


@pytest.mark.way("openstack", "cold")
@pytest.mark.parametrize("storage", ["rbd", "local"])
def test_servers_of_both_kinds_through_the_api(
    lab: Lab, tmp_path: Path, before: dict[str, set[str]], storage: str
) -> None:
    openstack_source.configured(lab, tmp_path, ceph=False)
    source = openstack_source.build(lab, "old-web", "old-local")
    try:
        boot = f"volumes/volume-{source.objects['boot']}"
        made = lab.json("migrate", "project", "old", "--out", tmp_path / "map.yaml", "--yes")
        own = openstack_source.inventory(lab)
        wave = _plan(lab, tmp_path, "--storage", storage)

        vms = lab.json("migrate", "run", wave, "--yes")["report"]["vms"]

        assert {v["name"] for v in vms} == {"old-web", "old-local"}
        for vm in vms:
            _answers(lab, vm)
            (disk,) = vm["disks"]
            if vm["name"] == "old-web":
                assert disk["sha256"] == lab.rbd_sha256(boot, GIB)
            if storage == "rbd":
                assert disk["sha256"] == lab.rbd_sha256(disk["target"].removeprefix("rbd:"), GIB)
        # What the disks came through is gone from the source.
        rest = [
            *source.cloud.image.images(),
            *source.cloud.block_storage.volumes(),
            *source.cloud.block_storage.snapshots(),
        ]
        assert not [r.name for r in rest if r.name.startswith("blue-wizard-")]
        assert _states(source) == {"SHUTOFF"}

        lab.bw("migrate", "rollback", wave, "--yes")
        assert _states(source) == {"ACTIVE"}
        assert openstack_source.inventory(lab) == own
        lab.bw("migrate", "rollback", made["job"], "--yes")
    finally:
        openstack_source.remove(source)


@pytest.mark.way("openstack", "warm")
def test_a_server_is_copied_while_it_runs(lab: Lab, tmp_path: Path, before: dict[str, set[str]]) -> None:
    openstack_source.configured(lab, tmp_path, ceph=True)
    source = openstack_source.build(lab, "old-web")
    try:
        boot = f"volumes/volume-{source.objects['boot']}"
        made = lab.json("migrate", "project", "old", "--out", tmp_path / "map.yaml", "--yes")
        own = openstack_source.inventory(lab)
        wave = _plan(lab, tmp_path, "--warm", "--cutover", "auto")

        (vm,) = lab.json("migrate", "run", wave, "--yes")["report"]["vms"]

        _answers(lab, vm)
        (disk,) = vm["disks"]
        assert lab.rbd_sha256(boot, GIB) == lab.rbd_sha256(disk["target"].removeprefix("rbd:"), GIB)
        assert not [s for s in _snapshots(lab, boot) if "blue-wizard" in s]
        assert _states(source) == {"SHUTOFF"}
        lab.bw("migrate", "rollback", wave, "--yes")
        assert _states(source) == {"ACTIVE"}
        assert openstack_source.inventory(lab) == own
        lab.bw("migrate", "rollback", made["job"], "--yes")
    finally:
        openstack_source.remove(source)
