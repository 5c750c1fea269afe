"""The fleet in Nova: its zone, flavor, groups and servers. ``python -m lab.fleet.servers fill|empty HOSTS``."""

from __future__ import annotations

import sys
import time
from typing import Any

import openstack

from lab.fleet import EACH, PREFIX, names
from lab.seed import QUOTAS

FLAVOR = "fleet"
GROUP_OF = 3


def fill(cloud: Any, count: int) -> None:
    """Ten servers a host, those of the first places in anti-affinity groups of three."""
    compute = cloud.compute
    # It can't be used by chance: the lab's other hosts are in another zone.
    if not compute.find_flavor(FLAVOR):
        compute.create_flavor(name=FLAVOR, ram=256, vcpus=1, disk=1)
    zone = compute.find_aggregate(FLAVOR) or compute.create_aggregate(name=FLAVOR, availability_zone=FLAVOR)
    for host in set(names(count)) - set(zone.hosts or []):
        compute.add_host_to_aggregate(zone, host)
    wanted = EACH * count
    room = {"instances": wanted + 2 * QUOTAS["instances"], "cores": wanted + 2 * QUOTAS["cores"]}
    cloud.set_compute_quotas(cloud.current_project_id, **room, server_groups=wanted)
    have = {s.name for s in _servers(compute)}
    image = _image(cloud)
    for at in range(0, count, GROUP_OF):
        members = names(count)[at : at + GROUP_OF]
        name = f"{PREFIX}apart-{at // GROUP_OF}"
        if f"{name}-0" in have or len(members) < 2:
            continue
        group = compute.create_server_group(name=name, policies=["anti-affinity"])
        for n, host in enumerate(members):
            _create(compute, f"{name}-{n}", image, host, 1, scheduler_hints={"group": group.id})
    _wait(compute)
    here = [s.compute_host for s in _servers(compute)]
    for host in names(count):
        missing = EACH - here.count(host)
        if missing > 0:
            _create(compute, f"{host}-s", image, host, missing)
    _wait(compute)


def _create(compute: Any, name: str, image: str, host: str, many: int, **more: Any) -> None:
    compute.create_server(name=name, image_id=image, flavor_id=compute.find_flavor(FLAVOR).id, networks="none",
                          availability_zone=f"{FLAVOR}:{host}", min_count=many, max_count=many, **more)  # fmt: skip


def _image(cloud: Any) -> str:
    found = cloud.image.find_image(FLAVOR)
    if not found:
        found = cloud.image.create_image(name=FLAVOR, data=b"\0" * 512, disk_format="raw", container_format="bare")
    return str(found.id)


def _servers(compute: Any) -> list[Any]:
    return list(compute.servers(all_projects=True, name=f"^{PREFIX}"))


def _wait(compute: Any, timeout_s: float = 300) -> None:
    end = time.monotonic() + timeout_s
    while bad := [s for s in _servers(compute) if s.status != "ACTIVE"]:
        if time.monotonic() > end or any(s.status == "ERROR" for s in bad):
            raise SystemExit(f"{len(bad)} servers did not start, the first is {bad[0].name}: {bad[0].status}")
        time.sleep(1)


def empty(cloud: Any, _count: int) -> None:
    """Remove it all, when the computes are dead: servers, groups, zone, flavor, services with their hosts and providers."""
    compute = cloud.compute
    services = [s for s in compute.services(binary="nova-compute") if s.host.startswith(PREFIX)]
    # The servers of a host that is known to be down are deleted by Nova's API alone; living computes need seconds for each.
    for service in services:
        compute.update_service_forced_down(service, service.host, service.binary, forced=True)
    for server in _servers(compute):
        compute.delete_server(server, force=True)
    end = time.monotonic() + 300
    while left := _servers(compute):
        if time.monotonic() > end:
            raise SystemExit(f"{len(left)} servers were not deleted, the first is {left[0].name}: {left[0].status}")
        time.sleep(1)
    for group in compute.server_groups(all_projects=True):
        if group.name.startswith(PREFIX):
            compute.delete_server_group(group)
    zone = compute.find_aggregate(FLAVOR)
    if zone:
        for host in zone.hosts or []:
            compute.remove_host_from_aggregate(zone, host)
        compute.delete_aggregate(zone)
    for service in services:
        compute.delete_service(service)
    cloud.set_compute_quotas(cloud.current_project_id, **QUOTAS, server_groups=10)
    for thing, found in (
        (compute.delete_flavor, compute.find_flavor(FLAVOR)),
        (cloud.image.delete_image, cloud.image.find_image(FLAVOR)),
    ):
        if found:
            thing(found)


if __name__ == "__main__":
    {"fill": fill, "empty": empty}[sys.argv[1]](openstack.connect(cloud="lab"), int(sys.argv[2]))
