"""The numbers about a recorded cloud, and about what the recorded one does not have."""

from __future__ import annotations

from typing import Any

import pytest

from blue_wizard.stats import model
from blue_wizard.stats.capacity import DISK, PCPU, VCPU
from blue_wizard.stats.collect import Snapshot
from blue_wizard.stats.platform import DAY_S, GIB, MIB, Platform, age_s, request

from .clouds import recorded


def _values(snapshot: Snapshot) -> dict[str, Any]:
    values, _sheets = model.evaluate(Platform(snapshot))
    assert not [v for v in values if v.unknown]
    return {v.statistic.id: v.number for v in values}


def _rows(snapshot: Snapshot, id_: str) -> list[dict[str, Any]]:
    table = next(t for t in model.tables() if t.id == id_)
    return [dict(row) for row in table.rows(Platform(snapshot))]


def _ago(snapshot: Snapshot, days: float) -> str:
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(snapshot.moment - days * DAY_S))


def test_the_recorded_cloud() -> None:
    """Counted by hand in the recorded answers."""
    found = _values(recorded())
    expected = {
        "hosts.count": 2,
        "hosts.up": 2,
        "hosts.vcpus.capacity": 64,
        "hosts.threads": 4,
        "hosts.overcommit_allowed": 16.0,
        "hosts.vcpus.largest": 2,
        "hosts.n1.fits": True,
        "flavors.count": 4,
        "projects.count": 3,
        "network.networks": 6,
        "network.external_ips": 101,
        "network.external_ips_used": 1,
        "network.routers": 1,
        "network.vlans": 1,
        "storage.stores": 1,
        "images.count": 1,
        "ceph.osds": 3,
        "ceph.pools": 4,
        "ceph.heals": True,
    }
    assert {name: found[name] for name in expected} == expected


def test_at_least_eighty_statistics_with_formula_and_unit() -> None:
    known = model.statistics()
    assert len(known) >= 80
    assert len({s.id for s in known}) == len(known)
    assert [s.id for s in known if len(s.formula) < 20 or not s.title()] == []
    assert [t.id for t in model.tables() if len(t.about) < 30] == []
    for table in model.tables():
        keys = [c.key for c in table.columns()]
        assert {*table.chart, *table.labels} <= set(keys), table.id


def test_rows_have_what_the_columns_promise() -> None:
    _known, sheets = model.evaluate(Platform(recorded()))
    for sheet in sheets:
        for row in sheet.rows:
            assert set(row) == {c.key for c in sheet.columns}, sheet.table.id


def test_a_ratio_multiplies_what_is_left_after_the_reserve() -> None:
    snapshot = recorded()
    provider = snapshot.rows["providers"][0]
    provider["inventories"]["VCPU"] |= {"total": 64, "reserved": 4, "allocation_ratio": 4.0}
    provider["resources"]["VCPU"] = {"capacity": 240, "used": 30}
    found = _values(snapshot)
    assert found["hosts.vcpus.capacity"] == 240 + 32
    assert found["hosts.overcommit_allowed"] == pytest.approx(272 / (64 - 4 + 2))


def test_a_disabled_host_has_capacity_but_nothing_free() -> None:
    snapshot = recorded()
    before = _values(snapshot)
    snapshot.rows["compute_services"][0]["status"] = "disabled"
    found = _values(snapshot)
    assert found["hosts.vcpus.capacity"] == before["hosts.vcpus.capacity"]
    assert found["hosts.vcpus.free"] < before["hosts.vcpus.free"]
    assert (found["hosts.disabled"], found["hosts.vcpus.closed"]) == (1, 32)
    assert found["flavors.slots_common"] < before["flavors.slots_common"]


def test_the_last_open_host_can_not_be_lost() -> None:
    snapshot = recorded()
    full = snapshot.rows["providers"][1]["resources"]["VCPU"]
    full["used"] = full["capacity"]
    found = _values(snapshot)
    assert found["hosts.n1.fits"] is False
    assert found["hosts.n1.homeless"] > 0


def test_dedicated_cpus_are_told_apart() -> None:
    snapshot = recorded()
    snapshot.rows["providers"][0]["resources"]["PCPU"] = {"capacity": 20, "used": 12}
    found = _values(snapshot)
    assert (found["hosts.pcpus.capacity"], found["hosts.pcpus.used"], found["hosts.pcpus.free"]) == (20, 12, 8)


def test_numbers_of_nested_providers_belong_to_their_host() -> None:
    snapshot = recorded()
    root = snapshot.rows["providers"][0]
    child = {**root, "uuid": "numa0", "name": "cmp1_numa0", "resources": {"PCPU": {"capacity": 8, "used": 2}}}
    snapshot.rows["providers"].append({**child, "inventories": None})
    host = next(h for h in Platform(snapshot).hosts if h.name == root["name"])
    assert (host.capacity[PCPU], host.used[PCPU]) == (8, 2)
    assert _values(snapshot)["hosts.count"] == 2


def test_a_disk_that_all_hosts_share_counts_once() -> None:
    snapshot = recorded()
    pool = next(p for p in snapshot.rows["ceph"]["df"]["pools"] if p["name"] == "vms")["stats"]
    size = round((pool["max_avail"] + pool["stored"]) / GIB)
    for provider in snapshot.rows["providers"]:
        provider["resources"]["DISK_GB"] = {"capacity": size, "used": 2}
        provider["inventories"]["DISK_GB"] |= {"total": size, "max_unit": size}
    found = _values(snapshot)
    assert found["hosts.disk.capacity"] == size * GIB
    assert found["hosts.disk.used"] == 4 * GIB
    assert found["hosts.disk.free"] == (size - 4) * GIB
    assert DISK in Platform(snapshot).hosts[0].shared


def test_local_disks_add_up() -> None:
    snapshot = recorded()
    total = sum(p["resources"]["DISK_GB"]["capacity"] for p in snapshot.rows["providers"])
    assert _values(snapshot)["hosts.disk.capacity"] == total * GIB


def test_servers_of_a_dead_cell_are_counted_and_not_summed() -> None:
    snapshot = recorded()
    before = _values(snapshot)
    snapshot.rows["servers"].append(
        {"id": "far", "status": "UNKNOWN", "tenant_id": "p", "created": "2026-01-01T00:00:00Z"}
    )
    found = _values(snapshot)
    assert found["servers.count"] == before["servers.count"] + 1
    assert found["servers.unreachable"] == 1
    assert found["servers.vcpus"] == before["servers.vcpus"]
    assert Platform(snapshot).unsized == ["far"]


def test_an_api_that_does_not_embed_flavors() -> None:
    snapshot = recorded()
    before = _values(snapshot)
    ids = {f["name"]: f["id"] for f in snapshot.rows["flavors"]}
    for server in snapshot.rows["servers"]:
        server["flavor"] = {"id": ids[server["flavor"]["original_name"]]}
    found = _values(snapshot)
    assert found["servers.vcpus"] == before["servers.vcpus"]
    assert found["flavors.unused"] == before["flavors.unused"]


def test_what_has_been_off_for_a_month() -> None:
    snapshot = recorded()
    server = snapshot.rows["servers"][0]
    server |= {"status": "SHUTOFF", "updated": _ago(snapshot, 29)}
    assert _values(snapshot)["servers.idle"] == 0
    server["updated"] = _ago(snapshot, 31)
    found = _values(snapshot)
    assert (found["servers.idle"], found["servers.idle_vcpus"]) == (1, server["flavor"]["vcpus"])
    assert found["servers.idle_memory"] == server["flavor"]["ram"] * MIB
    assert [line["id"] for line in _rows(snapshot, "idle_servers")] == [server["id"]]


def _volume(snapshot: Snapshot, **more: Any) -> dict[str, Any]:
    return {**snapshot.rows["volumes"][0], "id": "v", "status": "available", "size": 10, "attachments": [], **more}


def test_volumes_by_use_and_type() -> None:
    snapshot = recorded()
    old = _volume(snapshot, updated_at=_ago(snapshot, 40))
    used = {**_volume(snapshot), "status": "in-use", "attachments": [{}, {}], "bootable": "true", "volume_type": None}
    snapshot.rows["volumes"] = [old, used, {**_volume(snapshot), "status": "error_deleting"}]
    found = _values(snapshot)
    assert (found["storage.volumes"], found["storage.idle"], found["storage.errors"]) == (3, 1, 1)
    assert (found["storage.volumes_size"], found["storage.idle_month_size"]) == (30 * GIB, 10 * GIB)
    assert (found["storage.multiattach"], found["storage.bootable"]) == (1, 1)
    lines = {line["type"]: line["volumes"] for line in _rows(snapshot, "volume_types")}
    assert lines["(none)"] == 1


def test_two_backends_on_one_ceph_are_one_store() -> None:
    snapshot = recorded()
    (pool,) = snapshot.rows["pools"]
    other = {"name": "ctl2@ssd#ssd", "capabilities": {**pool["capabilities"], "free_capacity_gb": 5.0}}
    other["capabilities"]["location_info"] = pool["capabilities"]["location_info"].replace(":volumes", ":ssd")
    snapshot.rows["pools"] += [other]
    found = _values(snapshot)
    assert found["storage.stores"] == 1
    assert found["storage.stores_free"] == int(pool["capabilities"]["free_capacity_gb"] * GIB)
    snapshot.rows["pools"] += [{"name": "nfs@x#y", "capabilities": {"free_capacity_gb": "unknown"}}]
    assert _values(snapshot)["storage.stores"] == 2


def test_addresses_outside_the_pools_never_pass_a_hundred_percent() -> None:
    snapshot = recorded()
    external = next(n["id"] for n in snapshot.rows["networks"] if n["router:external"])
    for network in snapshot.rows["ip_availability"]:
        if network["network_id"] == external:
            network["subnet_ip_availability"][0] |= {"used_ips": 150, "total_ips": 101}
    found = _values(snapshot)
    assert (found["network.external_ips_used"], found["network.external_ips_free"]) == (101, 0)
    assert found["network.external_ips_percent"] == 100
    assert found["network.subnets_full"] == 1


def test_where_external_addresses_went() -> None:
    snapshot = recorded()
    external = next(n["id"] for n in snapshot.rows["networks"] if n["router:external"])
    subnet = next(s["id"] for s in snapshot.rows["subnets"] if s["network_id"] == external)
    port = {"project_id": "", "status": "DOWN", "security_groups": [], "network_id": external}
    port["fixed_ips"] = [{"subnet_id": subnet, "ip_address": "172.24.4.150"}]  # type: ignore[assignment]
    snapshot.rows["floatingips"] = [
        {"id": "f1", "port_id": "x", "updated_at": _ago(snapshot, 50)},
        {"id": "f2", "port_id": None, "updated_at": _ago(snapshot, 50)},
    ]
    for number in (1, 2):
        snapshot.rows["ports"].append(
            {**port, "id": f"p{number}", "device_owner": "network:floatingip", "device_id": f"f{number}"}
        )
    (line,) = _rows(snapshot, "ip_pools")
    assert (line["floating"], line["idle"], line["gateway"], line["server"]) == (1, 1, 1, 0)
    found = _values(snapshot)
    assert (found["network.floatingips_idle"], found["network.floatingips_idle_month"]) == (1, 1)


def test_an_owner_that_keystone_does_not_know() -> None:
    snapshot = recorded()
    snapshot.rows["servers"][0]["tenant_id"] = "gone"
    assert _values(snapshot)["projects.gone"] == 1
    lines = {line["id"]: line for line in _rows(snapshot, "projects")}
    assert lines["gone"]["servers"] == 1
    assert lines["gone"]["project"] == "(unknown to Keystone)"


def test_what_could_be_given_back() -> None:
    snapshot = recorded()
    assert _values(snapshot)["waste.vcpus"] == 0
    for server, status in zip(snapshot.rows["servers"], ("SHUTOFF", "ERROR", "ACTIVE"), strict=False):
        server |= {"status": status, "updated": _ago(snapshot, 31)}
    (image,) = snapshot.rows["images"]
    snapshot.rows["images"].append({**image, "id": "i2", "size": 7, "updated_at": _ago(snapshot, 91)})
    snapshot.rows["volumes"] = [
        _volume(snapshot, updated_at=_ago(snapshot, 31)),
        _volume(snapshot, updated_at=_ago(snapshot, 2)),
    ]
    snapshot.rows["floatingips"] = [{"id": "f", "port_id": None, "updated_at": _ago(snapshot, 31)}]
    found = _values(snapshot)
    assert (found["waste.vcpus"], found["waste.memory"]) == (2, 256 * MIB)
    assert (found["waste.storage"], found["waste.addresses"]) == (10 * GIB + 7, 1)
    assert [line["count"] for line in _rows(snapshot, "waste")] == [1, 1, 1, 0, 1, 1, 2]
    del snapshot.rows["floatingips"]
    assert [line["count"] for line in _rows(snapshot, "waste")] == [1, 1, 1, 0, 1, None, 2]


def test_images_by_use() -> None:
    snapshot = recorded()
    (image,) = snapshot.rows["images"]
    snapshot.rows["images"].append({**image, "id": "i2", "size": 5})
    snapshot.rows["images"].append({**image, "id": "i3", "status": "queued", "size": None})
    found = _values(snapshot)
    assert (found["images.unused"], found["images.unused_size"], found["images.unusable"]) == (1, 5, 1)
    snapshot.rows["volumes"] = [_volume(snapshot, volume_image_metadata={"image_id": "i2"})]
    assert _values(snapshot)["images.unused"] == 0


@pytest.mark.parametrize(
    ("flavor", "resources"),
    [
        ({"disk": 10, "OS-FLV-EXT-DATA:ephemeral": 5, "swap": 1025}, {"VCPU": 2, "MEMORY_MB": 512, "DISK_GB": 17}),
        ({"disk": 0, "swap": ""}, {"VCPU": 2, "MEMORY_MB": 512}),
        ({"disk": 0, "extra_specs": {"hw:cpu_policy": "dedicated"}}, {"PCPU": 2, "MEMORY_MB": 512}),
        (
            {"disk": 0, "extra_specs": {"resources:VCPU": "0", "resources:CUSTOM_GOLD": "1"}},
            {"MEMORY_MB": 512, "CUSTOM_GOLD": 1},
        ),
    ],
)
def test_what_a_flavor_asks_for(flavor: dict[str, Any], resources: dict[str, int]) -> None:
    assert request({"vcpus": 2, "ram": 512, **flavor}).resources == resources


def test_traits_and_aggregates_of_a_flavor() -> None:
    specs = {
        "trait:HW_GPU": "required",
        "trait:CUSTOM_OLD": "forbidden",
        "aggregate_instance_extra_specs:disk": "<or> ssd <or> nvme",
        "aggregate_instance_extra_specs:rack": "r1",
    }
    found = request({"vcpus": 1, "ram": 1, "disk": 0, "extra_specs": specs})
    assert (found.required, found.forbidden) == ({"HW_GPU"}, {"CUSTOM_OLD"})
    assert found.properties == {"disk": {"ssd", "nvme"}, "rack": {"r1"}}


def test_a_server_that_boots_from_a_volume_takes_no_disk_of_its_host() -> None:
    snapshot = recorded()
    server = next(s for s in snapshot.rows["servers"] if s["image"])
    assert DISK in Platform(snapshot).request_of[server["id"]].resources
    server["image"] = ""
    assert DISK not in Platform(snapshot).request_of[server["id"]].resources
    assert Platform(snapshot).request_of[server["id"]].resources[VCPU] == 1


@pytest.mark.parametrize("text", ["2026-11-26T13:00:00Z", "2026-11-26T13:00:00", "2026-11-26T13:00:00.000000"])
def test_moments_of_apis_are_utc(text: str) -> None:
    assert age_s(text, 1795698000.0 + 60) == 60
    assert age_s(None, 0) is None
