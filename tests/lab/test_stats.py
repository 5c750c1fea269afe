"""The totals of `blue-wizard stats` beside plain SQL on the services' own databases, and reports of a real cloud."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.parts.infra import sql

from .conftest import Lab

pytestmark = pytest.mark.lab

_CLASS = "resource_class_id = (select id from placement.resource_classes where name = '{}')"
_CAPACITY = "select sum(floor((total - reserved) * allocation_ratio)) from placement.inventories where " + _CLASS
_USED = "select sum(used) from placement.allocations where " + _CLASS
_CELLS = (
    "(select * from nova.instances union all select * from nova_cell0.instances) i where deleted = 0 and hidden = 0"
)
_EXTERNAL = (
    "(select s.id from neutron.subnets s join neutron.externalnetworks e using (network_id) where ip_version = 4)"
)
_MIB, _GIB = 1 << 20, 1 << 30

TOTALS = {
    "servers.count": f"select count(*) from {_CELLS}",
    "servers.active": f"select count(*) from {_CELLS} and vm_state = 'active' and task_state is null",
    "servers.vcpus": f"select sum(vcpus) from {_CELLS}",
    "servers.memory": f"select sum(memory_mb) * {_MIB} from {_CELLS}",
    "hosts.count": "select count(*) from nova.compute_nodes where deleted = 0",
    "hosts.vcpus.capacity": _CAPACITY.format("VCPU"),
    "hosts.vcpus.used": _USED.format("VCPU"),
    "hosts.memory.capacity": f"select {_MIB} * ({_CAPACITY.format('MEMORY_MB')})",
    "hosts.memory.used": f"select {_MIB} * ({_USED.format('MEMORY_MB')})",
    "hosts.disk.used": f"select {_GIB} * ({_USED.format('DISK_GB')})",
    "flavors.count": "select count(*) from nova_api.flavors",
    "projects.count": "select count(*) from keystone.project where is_domain = 0",
    "network.networks": "select count(*) from neutron.networks",
    "network.subnets": "select count(*) from neutron.subnets",
    "network.ports": "select count(*) from neutron.ports",
    "network.ports_guest": "select count(*) from neutron.ports where device_owner like 'compute:%'",
    "network.floatingips": "select count(*) from neutron.floatingips",
    "network.routers": "select count(*) from neutron.routers",
    "network.security_groups": "select count(*) from neutron.securitygroups",
    "network.security_rules": "select count(*) from neutron.securitygrouprules",
    "network.external_ips": "select sum(inet_aton(last_ip) - inet_aton(first_ip) + 1) from neutron.ipallocationpools "
    f"where subnet_id in {_EXTERNAL}",
    "network.external_ips_used": f"select count(*) from neutron.ipallocations where subnet_id in {_EXTERNAL}",
    "storage.volumes": "select count(*) from cinder.volumes where deleted = 0",
    "storage.volumes_size": f"select sum(size) * {_GIB} from cinder.volumes where deleted = 0",
    "storage.idle_size": f"select sum(size) * {_GIB} from cinder.volumes where deleted = 0 and status = 'available'",
    "storage.snapshots": "select count(*) from cinder.snapshots where deleted = 0",
    "storage.types": "select count(*) from cinder.volume_types where deleted = 0",
    "images.count": "select count(*) from glance.images where deleted = 0",
    "images.size": "select sum(size) from glance.images where deleted = 0",
}
"""By statistic the same number by another way. Users and services keep the cloud moving: see `agree`."""

_TRIES = 8


def by_sql() -> dict[str, float]:
    """All totals; the sum of nothing is 0."""
    found = sql("\n".join(f"{statement};" for statement in TOTALS.values())).split("\n")[: len(TOTALS)]
    return {name: 0.0 if value == "NULL" else float(value) for name, value in zip(TOTALS, found, strict=True)}


def agree(look: Callable[[], dict[str, float | None]]) -> dict[str, tuple[float, float | None]]:
    """The totals on which SQL and `look` differ, though the databases say the same before and after the look."""
    different: dict[str, tuple[float, float | None]] = {}
    for _try in range(_TRIES):
        before = by_sql()
        ours = look()
        after = by_sql()
        still = [name for name in TOTALS if before[name] == after[name]]
        different = {name: (before[name], ours.get(name)) for name in still if ours.get(name) != before[name]}
        if not different and len(still) == len(TOTALS):
            return {}
    assert different, "the databases never stood still"
    return different


def test_totals_are_those_of_the_databases(lab: Lab) -> None:
    def look() -> dict[str, float | None]:
        found = lab.json("stats")
        assert not found["partial"], found["problems"]
        return {name: one["value"] for name, one in found["statistics"].items()}

    assert agree(look) == {}


def test_reports_of_every_kind(lab: Lab, tmp_path: Path) -> None:
    for suffix, begin in (
        (".html", b"<!doctype"),
        (".xlsx", b"PK"),
        (".csv", b"\xef\xbb\xbftable,"),
        (".prom", b"# HELP"),
    ):
        file = tmp_path / f"report{suffix}"
        lab.bw("--lang", "zh", "stats", "hosts", "servers", "--report", file)
        assert file.read_bytes().startswith(begin)
    lab.bw("stats", "hosts", "--report", tmp_path / "report.pdf", code=2)


def test_the_loss_of_a_host_of_two(lab: Lab) -> None:
    found = lab.json("stats", "whatif", "--lose-host", "cmp1", "--servers", "1", "--flavor", "m1.tiny")
    assert found["servers"]["homeless_added"] == 0
    assert {host for host, _number in found["servers"]["hosts"]} == {"cmp2"}
    too_many = lab.json("stats", "whatif", "--servers", "500", "--flavor", "m1.medium", code=1)
    assert too_many["servers"]["homeless_added"] > 0
