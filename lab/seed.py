"""What is asked of OpenStack's APIs, and put into them: one process a task, since importing the SDK takes a second."""

from __future__ import annotations

import sys
from typing import Any

import openstack

from lab.site import CLOUDS, PORTS, PROVIDER_NETWORK, TENANT_NETWORKS, Cloud, passwords

SERVICES = {
    "glance": ("image", ""),
    "placement": ("placement", ""),
    "nova": ("compute", "/v2.1"),
    "neutron": ("network", ""),
    "cinder": ("block-storage", "/v3"),
}
FLAVORS = {"m1.nano": (128, 1, 1), "m1.tiny": (256, 1, 1), "m1.small": (1024, 1, 10), "m1.medium": (2048, 2, 20)}
QUOTAS = {"instances": 100, "cores": 200, "ram": 200000}
EXTERNAL = {
    "lab": {"start": "172.24.4.100", "end": "172.24.4.200"},
    "cloud-b": {"start": "172.24.4.201", "end": "172.24.4.240"},
}
"""Both clouds have a foot in one external network."""


def catalog(cloud: Any, site: Cloud) -> None:
    """Users, services and endpoints of the control plane, and an ordinary project with a user."""
    identity = cloud.identity
    roles = {r.name: r for r in identity.roles()}
    for name in ("service", "member"):
        roles.setdefault(name, None)
        roles[name] = roles[name] or identity.create_role(name=name)
    service = identity.find_project("service") or identity.create_project(name="service", domain_id="default")
    for user in SERVICES:
        made = identity.find_user(user) or identity.create_user(
            name=user, password=passwords()["service"], domain_id="default"
        )
        for role in ("admin", "service"):
            identity.assign_project_role_to_user(service, made, roles[role])
    demo = identity.find_project("demo") or identity.create_project(name="demo", domain_id="default")
    person = identity.find_user("demo") or identity.create_user(
        name="demo", password=passwords()["demo"], domain_id="default"
    )
    identity.assign_project_role_to_user(demo, person, roles["member"])
    existing = {s.name for s in identity.services()}
    for name, (kind, path) in SERVICES.items():
        if name not in existing:
            made = identity.create_service(name=name, type=kind)
            url = f"http://{site.controller.address}:{PORTS[name]}{path}"
            for interface in ("public", "internal", "admin"):
                identity.create_endpoint(service_id=made.id, interface=interface, url=url, region_id="RegionOne")


def has_catalog(cloud: Any) -> bool:
    """True when every service has its endpoints."""
    return len(list(cloud.identity.endpoints())) >= 3 * (len(SERVICES) + 1)


def cloud_objects(cloud: Any, site: Cloud) -> None:
    """Flavors, networks, router, security group, volume type."""
    for name, (ram, vcpus, disk) in FLAVORS.items():
        if not cloud.compute.find_flavor(name):
            cloud.compute.create_flavor(name=name, ram=ram, vcpus=vcpus, disk=disk)
    network = cloud.network
    if not network.find_network("external"):
        external = network.create_network(name="external", is_router_external=True, provider_network_type="flat",
                                          provider_physical_network="physnet1")  # fmt: skip
        network.create_subnet(name="external", network_id=external.id, cidr="172.24.4.0/24", ip_version=4,
                              is_dhcp_enabled=False, gateway_ip="172.24.4.1",
                              allocation_pools=[EXTERNAL[site.name]])  # fmt: skip
    for name, cidr in TENANT_NETWORKS[site.name].items():
        _network(network, name, cidr)
    _network(network, PROVIDER_NETWORK, "10.101.0.0/24", provider_network_type="vlan",
             provider_physical_network="physnet1", provider_segmentation_id=101)  # fmt: skip
    if not network.find_router("r1"):
        gateway = {"network_id": network.find_network("external").id}
        router = network.create_router(name="r1", external_gateway_info=gateway)
        for name in list(TENANT_NETWORKS[site.name])[:2]:
            network.add_interface_to_router(router, subnet_id=network.find_subnet(name).id)
    project = cloud.current_project_id
    if not network.find_security_group("open", project_id=project):
        group = network.create_security_group(name="open", description="all from anywhere", project_id=project)
        for protocol in ("icmp", "tcp", "udp"):
            network.create_security_group_rule(security_group_id=group.id, direction="ingress", protocol=protocol,
                                               remote_ip_prefix="0.0.0.0/0")  # fmt: skip
    if not cloud.block_storage.find_type("rbd"):
        cloud.block_storage.create_type(name="rbd", extra_specs={"volume_backend_name": "rbd"})
    cloud.set_compute_quotas(project, **QUOTAS)
    cloud.set_volume_quotas(project, volumes=200, gigabytes=4000)
    cloud.set_network_quotas(project, port=500)


def _network(network: Any, name: str, cidr: str, **provider: Any) -> None:
    if not network.find_network(name):
        made = network.create_network(name=name, is_shared=True, **provider)
        network.create_subnet(name=name, network_id=made.id, cidr=cidr, ip_version=4)


def has_cloud(cloud: Any) -> bool:
    """True when the last thing that `cloud_objects` makes is there."""
    return bool(cloud.block_storage.find_type("rbd") and cloud.network.find_router("r1"))


def agent_alive(cloud: Any, host: str, kind: str) -> bool:
    """True when Neutron has heard of the agent lately."""
    binary = {"ovs": "neutron-openvswitch-agent"}.get(kind, f"neutron-{kind}-agent")
    return any(a.binary == binary and a.is_alive for a in cloud.network.agents(host=host))


def service_alive(cloud: Any, binary: str, host: str = "") -> bool:
    """True when Nova or Cinder has heard of the service lately."""
    found = cloud.block_storage.services() if binary.startswith("cinder") else cloud.compute.services()
    return any(s.binary == binary and s.state == "up" and host in s.host for s in found)


def mapped(cloud: Any, computes: str) -> bool:
    """True when all computes can be scheduled to."""
    return len(list(cloud.compute.hypervisors())) >= int(computes)


def main(name_of_cloud: str, task: str) -> None:
    """Run one task; questions print "up" or "down"."""
    cloud = openstack.connect(cloud=name_of_cloud)
    name, *rest = task.split(":")
    if name in TASKS:
        TASKS[name](cloud, CLOUDS[name_of_cloud])
        return
    print("up" if QUESTIONS[name](cloud, *rest) else "down")


TASKS = {"catalog": catalog, "cloud": cloud_objects}
QUESTIONS = {
    "has-catalog": has_catalog,
    "has-cloud": has_cloud,
    "mapped": mapped,
    "agent": agent_alive,
    "alive": service_alive,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
