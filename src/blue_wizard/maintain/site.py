"""Reads what maintenance has to know of a cloud and one of its hosts. Reads only; decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from blue_wizard.errors import BlueWizardError
from blue_wizard.facts import computes, servers
from blue_wizard.facts.computes import Hypervisor, Service
from blue_wizard.facts.servers import Migration, Server
from blue_wizard.maintain import kube, masakari, storage
from blue_wizard.maintain.model import Agent, Beside, Compute, Group, Port, Site, Stock
from blue_wizard.maintain.names import find
from blue_wizard.reach import alertmanager, bmc
from blue_wizard.reach import computes as hosts
from blue_wizard.reach.openstack import Cloud

__all__ = ["in_flight", "ports_of", "read", "servers_on", "services"]

_AT_ONCE = 8
_WIRES = frozenset(
    {"neutron-openvswitch-agent", "neutron-linuxbridge-agent", "ovn-controller", "neutron-metadata-agent"}
)
"""Agents that serve the host's own servers, and go with them."""


def services(cloud: Cloud) -> tuple[Service, ...]:
    """The compute services of the cloud."""
    return computes.parse_services(cloud.get("compute", "/os-services?binary=nova-compute")["services"])


def servers_on(cloud: Cloud, host: str) -> tuple[Server, ...]:
    """The servers that Nova has on a host, of all projects, by id."""
    # The filter is a pattern in some releases, so it is checked once more.
    listed = cloud.list("compute", f"/servers/detail?all_tenants=1&host={host}", "servers")
    found = [servers.parse_server(s) for s in listed if s.get("OS-EXT-SRV-ATTR:host") == host]
    return tuple(sorted(found, key=lambda s: s.id))


def in_flight(cloud: Cloud, host: str) -> tuple[Migration, ...]:
    """The migrations from or to a host that have not ended."""
    listed = cloud.list("compute", f"/os-migrations?host={host}", "migrations")
    found = servers.parse_migrations(listed)
    return tuple(m for m in found if host in {m.source, m.dest} and not m.ended)


def ports_of(cloud: Cloud, server: str) -> tuple[Port, ...]:
    """The ports of a server."""
    listed = cloud.list("network", f"/ports?device_id={server}", "ports")
    return tuple(
        Port(
            id=p["id"],
            network=p["network_id"],
            addresses=tuple(f["ip_address"] for f in p["fixed_ips"]),
            vnic=p.get("binding:vnic_type") or "normal",
            host=p.get("binding:host_id") or "",
            status=p["status"],
            vif=p.get("binding:vif_type") or "",
            description=p.get("description") or "",
        )
        for p in sorted(listed, key=lambda p: str(p["id"]))
    )


def read(cloud: Cloud, host: str, beside: Beside | None = None, *, kubernetes: bool = False) -> Site:
    """Everything about a host. Raises InputError when no compute host has exactly this name.

    `beside`: what others do just now. `kubernetes`: a node runs on it, too.
    """
    listed = services(cloud)
    service = find(host, listed)
    unasked: dict[str, str] = {}

    def ask(what: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except BlueWizardError as e:
            unasked[what] = f"{e.message} {e.hint}".strip()
            return None

    here = servers_on(cloud, host)
    traits = _image_traits(cloud, {s.image for s in here if s.image})
    here = tuple(replace(s, extra_specs={**traits.get(s.image, {}), **s.extra_specs}) for s in here)
    hypervisors = computes.parse_hypervisors(cloud.list("compute", "/os-hypervisors/detail", "hypervisors"))
    groups = _groups(cloud, here)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        # The slow ones first; the API is asked meanwhile.
        stored = threads.submit(ask, "ceph", lambda: storage.on_host(cloud.name, host)) if service.up else None
        alive = threads.submit(_answers, host)
        known = threads.submit(ask, "libvirt", lambda: hosts.domains(cloud.name, host)) if service.up else None
        ports = dict(zip((s.id for s in here), threads.map(lambda s: ports_of(cloud, s.id), here), strict=True))
        needs = dict(zip((s.id for s in here), threads.map(lambda s: _needs(cloud, s.id), here), strict=True))
        aggregates = cloud.get("compute", "/os-aggregates")["aggregates"]
        going = dict(
            threads.map(lambda one: (one[0], _promise(cloud, *one)), (beside.promised if beside else {}).items())
        )
        places = tuple(threads.map(lambda h: _compute(cloud, h, listed, aggregates), hypervisors))
        found, domains = stored.result() if stored else None, known.result() if known else None
    return Site(
        service=service,
        computes=tuple(p for p in places if p is not None),
        servers=here,
        ports=ports,
        needs=needs,
        groups=groups,
        moving=in_flight(cloud, host),
        promised=going,
        closed=beside.closed if beside else frozenset(),
        domains=domains,
        osds=found[0] if found else None,
        ok_to_stop=found[1] if found else None,
        agents=_agents(cloud, host),
        alive=service.up or alive.result(),
        masakari=ask("masakari", lambda: masakari.host_of(cloud, host)),
        alarms=alertmanager.known(cloud.name),
        node=kube.node_on(cloud.name, host) if kubernetes else None,
        power="" if service.up else _power(host),
        unasked=unasked,
    )


def _answers(host: str) -> bool:
    try:
        hosts.boot_of(host)
    except BlueWizardError:
        return False
    return True


def _power(host: str) -> str:
    try:
        return bmc.power_state(host) if bmc.known(host) else ""
    except BlueWizardError:
        # One that has no current itself says nothing; then a person is asked.
        return ""


def _image_traits(cloud: Cloud, images: Iterable[str]) -> dict[str, dict[str, str]]:
    """The traits that images ask for, by image; an image that is deleted asks for nothing any more."""
    found = {}
    for image in images:
        properties = cloud.get("image", f"/images/{image}", missing_ok=True) or {}
        found[image] = {k: str(v) for k, v in properties.items() if k.startswith("trait:")}
    return found


def _needs(cloud: Cloud, server: str) -> dict[str, dict[str, int]]:
    found = cloud.get("placement", f"/allocations/{server}")["allocations"]
    return {provider: dict(one["resources"]) for provider, one in found.items()}


def _promise(cloud: Cloud, server: str, host: str) -> tuple[str, Mapping[str, int]]:
    """What a server will take on the host that it goes to: nothing more when Placement has given it that already."""
    needs = _needs(cloud, server)
    if len(needs) != 1 or _host_of(cloud, server) == host:
        return host, {}
    provider, amounts = next(iter(needs.items()))
    # While a server moves its own allocation is on the destination, and its migration holds the source's.
    known = cloud.get("placement", f"/resource_providers/{provider}", missing_ok=True)
    return host, {} if known and known["name"] == host else amounts


def _compute(
    cloud: Cloud, hypervisor: Hypervisor, listed: Iterable[Service], aggregates: Iterable[Mapping[str, Any]]
) -> Compute | None:
    service = next((s for s in listed if s.host == hypervisor.host), None)
    path = f"/resource_providers/{hypervisor.id}"
    inventory = cloud.get("placement", f"{path}/inventories", missing_ok=True)
    if service is None or inventory is None:
        return None
    used = cloud.get("placement", f"{path}/usages")["usages"]
    traits = cloud.get("placement", f"{path}/traits")["traits"]
    stocks = {
        kind: Stock(i["total"], i["reserved"], i["allocation_ratio"], i["max_unit"], used.get(kind, 0))
        for kind, i in inventory["inventories"].items()
    }
    own = tuple(dict(a["metadata"]) for a in aggregates if hypervisor.host in a["hosts"])
    return Compute(service, hypervisor, stocks, frozenset(traits), own)


def _groups(cloud: Cloud, here: Sequence[Server]) -> tuple[Group, ...]:
    known = {s.id: s.host for s in here}
    found = []
    for group in cloud.get("compute", "/os-server-groups?all_projects=1")["server_groups"]:
        members = group.get("members") or []
        if not known.keys() & set(members):
            continue
        # 2.64 has one policy, older ones a list of it.
        policy = group.get("policy") or next(iter(group.get("policies") or []), "")
        hosts_of = {m: known[m] if m in known else _host_of(cloud, m) for m in members}
        found.append(Group(group["id"], policy, hosts_of))
    return tuple(found)


def _host_of(cloud: Cloud, server: str) -> str:
    found = cloud.get("compute", f"/servers/{server}", missing_ok=True)
    return str(found["server"].get("OS-EXT-SRV-ATTR:host") or "") if found else ""


def _agents(cloud: Cloud, host: str) -> tuple[Agent, ...]:
    found = []
    for agent in cloud.list("network", f"/agents?host={host}", "agents"):
        if agent["host"] != host or agent["binary"] in _WIRES:
            continue
        serves, alone = _served(cloud, agent)
        found.append(Agent(agent["id"], agent["binary"], bool(agent["alive"]), tuple(serves), tuple(alone)))
    return tuple(found)


def _served(cloud: Cloud, agent: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """What a DHCP or L3 agent serves, and what of it no other living agent serves."""
    if agent["binary"] == "neutron-dhcp-agent":
        path, key, back = "dhcp-networks", "networks", "/networks/{id}/dhcp-agents"
    elif agent["binary"] == "neutron-l3-agent":
        path, key, back = "l3-routers", "routers", "/routers/{id}/l3-agents"
    else:
        return [], []
    served = cloud.get("network", f"/agents/{agent['id']}/{path}")[key]
    alone = []
    for one in served:
        others = cloud.get("network", back.format(id=one["id"]))["agents"]
        if not any(a["alive"] and a["id"] != agent["id"] for a in others):
            alone.append(str(one["name"] or one["id"]))
    return [str(one["name"] or one["id"]) for one in served], alone
