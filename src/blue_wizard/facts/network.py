"""What Neutron's API lists: agents, networks, subnets, ports, routers, floating IPs, addresses left. Pure parsers of its JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from blue_wizard.facts.compute import moment

__all__ = ["Agent", "Agents", "FloatingIp", "FloatingIps", "Network", "Networks", "Port", "Ports", "Router", "Routers",
           "SecurityGroup", "SecurityGroups", "Stock", "Stocks", "Subnet", "Subnets"]  # fmt: skip


@dataclass(frozen=True)
class Agent:
    """An agent of Neutron; `heartbeat` in Unix seconds."""

    id: str
    kind: str
    host: str
    alive: bool = True
    enabled: bool = True
    heartbeat: float = 0.0
    mappings: Mapping[str, str] = field(default_factory=dict)
    synced: bool | None = None


@dataclass(frozen=True)
class Agents:
    """``/agents``."""

    rows: tuple[Agent, ...] = ()

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> Agents:
        """Entries of ``/agents``."""
        return Agents(
            tuple(
                Agent(
                    r["id"],
                    r["agent_type"],
                    r["host"],
                    bool(r["alive"]),
                    bool(r["admin_state_up"]),
                    moment(r.get("heartbeat_timestamp")),
                    (r.get("configurations") or {}).get("bridge_mappings") or {},
                    r.get("resources_synced"),
                )
                for r in rows
            )
        )


@dataclass(frozen=True)
class Network:
    """A network."""

    id: str
    name: str = ""
    project: str = ""
    external: bool = False
    shared: bool = False
    kind: str = ""
    physical: str = ""
    segment: int | None = None
    mtu: int = 1500
    enabled: bool = True

    @property
    def label(self) -> str:
        """Its name with its id, for people."""
        return f"{self.name} ({self.id})" if self.name else self.id


@dataclass(frozen=True)
class Networks:
    """``/networks``."""

    rows: tuple[Network, ...] = ()

    @cached_property
    def by_id(self) -> Mapping[str, Network]:
        """By id."""
        return {n.id: n for n in self.rows}

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> Networks:
        """Entries of ``/networks``."""
        return Networks(
            tuple(
                Network(
                    r["id"],
                    r.get("name") or "",
                    r.get("project_id") or "",
                    bool(r.get("router:external")),
                    bool(r.get("shared")),
                    r.get("provider:network_type") or "",
                    r.get("provider:physical_network") or "",
                    r.get("provider:segmentation_id"),
                    int(r.get("mtu") or 0),
                    bool(r.get("admin_state_up", True)),
                )
                for r in rows
            )
        )


@dataclass(frozen=True)
class Subnet:
    """A subnet; `pools` are first and last addresses."""

    id: str
    network: str
    cidr: str = ""
    dhcp: bool = True
    pools: tuple[tuple[str, str], ...] = ()
    gateway: str = ""


@dataclass(frozen=True)
class Subnets:
    """``/subnets``."""

    rows: tuple[Subnet, ...] = ()

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> Subnets:
        """Entries of ``/subnets``."""
        return Subnets(
            tuple(
                Subnet(
                    r["id"],
                    r["network_id"],
                    r.get("cidr") or "",
                    bool(r.get("enable_dhcp")),
                    tuple((p["start"], p["end"]) for p in r.get("allocation_pools") or ()),
                    r.get("gateway_ip") or "",
                )
                for r in rows
            )
        )


@dataclass(frozen=True)
class Port:
    """A port. `addresses` are (subnet, address)."""

    id: str
    network: str = ""
    device: str = ""
    owner: str = ""
    host: str = ""
    vif: str = "ovs"
    vnic: str = "normal"
    status: str = "ACTIVE"
    enabled: bool = True
    mac: str = ""
    addresses: tuple[tuple[str, str], ...] = ()
    project: str = ""
    created: float = 0.0
    updated: float = 0.0
    groups: tuple[str, ...] = ()

    @property
    def of_server(self) -> bool:
        """Whether its device is a server of Nova's. Kuryr names those of its containers alike."""
        return self.owner.startswith("compute:") and self.owner != "compute:kuryr"

    @staticmethod
    def parse(raw: Mapping[str, Any]) -> Port:
        """One entry of ``/ports``."""
        return Port(
            raw["id"],
            raw.get("network_id") or "",
            raw.get("device_id") or "",
            raw.get("device_owner") or "",
            raw.get("binding:host_id") or "",
            raw.get("binding:vif_type") or "",
            raw.get("binding:vnic_type") or "normal",
            raw.get("status") or "",
            bool(raw.get("admin_state_up", True)),
            (raw.get("mac_address") or "").lower(),
            tuple((a["subnet_id"], a["ip_address"]) for a in raw.get("fixed_ips") or ()),
            raw.get("project_id") or "",
            moment(raw.get("created_at")),
            moment(raw.get("updated_at")),
            tuple(raw.get("security_groups") or ()),
        )


@dataclass(frozen=True)
class Ports:
    """``/ports`` of all projects."""

    rows: tuple[Port, ...] = ()

    @cached_property
    def by_id(self) -> Mapping[str, Port]:
        """By id."""
        return {p.id: p for p in self.rows}

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> Ports:
        """Entries of ``/ports``."""
        return Ports(tuple(Port.parse(r) for r in rows))


@dataclass(frozen=True)
class Router:
    """A router."""

    id: str
    name: str = ""
    status: str = "ACTIVE"
    enabled: bool = True
    ha: bool = False
    distributed: bool = False
    gateway: str = ""
    project: str = ""


@dataclass(frozen=True)
class Routers:
    """``/routers``."""

    rows: tuple[Router, ...] = ()

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> Routers:
        """Entries of ``/routers``."""
        return Routers(
            tuple(
                Router(
                    r["id"],
                    r.get("name") or "",
                    r.get("status") or "",
                    bool(r.get("admin_state_up", True)),
                    bool(r.get("ha")),
                    bool(r.get("distributed")),
                    (r.get("external_gateway_info") or {}).get("network_id") or "",
                    r.get("project_id") or "",
                )
                for r in rows
            )
        )


@dataclass(frozen=True)
class FloatingIp:
    """A floating IP; `port` is "" while it is not associated."""

    id: str
    address: str
    status: str = "ACTIVE"
    port: str = ""
    router: str = ""
    fixed: str = ""
    project: str = ""
    updated: float = 0.0


@dataclass(frozen=True)
class FloatingIps:
    """``/floatingips``."""

    rows: tuple[FloatingIp, ...] = ()

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> FloatingIps:
        """Entries of ``/floatingips``."""
        return FloatingIps(
            tuple(
                FloatingIp(
                    r["id"],
                    r["floating_ip_address"],
                    r.get("status") or "",
                    r.get("port_id") or "",
                    r.get("router_id") or "",
                    r.get("fixed_ip_address") or "",
                    r.get("project_id") or "",
                    moment(r.get("updated_at")),
                )
                for r in rows
            )
        )


@dataclass(frozen=True)
class SecurityGroup:
    """A security group; `remotes` are the groups that its rules speak of."""

    id: str
    name: str = ""
    project: str = ""
    remotes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SecurityGroups:
    """``/security-groups`` of all projects."""

    rows: tuple[SecurityGroup, ...] = ()

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> SecurityGroups:
        """Entries of ``/security-groups``, with their rules."""
        return SecurityGroups(
            tuple(
                SecurityGroup(
                    r["id"],
                    r.get("name") or "",
                    r.get("project_id") or "",
                    tuple(
                        dict.fromkeys(
                            rule["remote_group_id"]
                            for rule in r.get("security_group_rules") or ()
                            if rule.get("remote_group_id")
                        )
                    ),
                )
                for r in rows
            )
        )


@dataclass(frozen=True)
class Stock:
    """How many addresses of a subnet's pools there are and are used (more than all where some lie outside the pools)."""

    network: str
    network_name: str
    subnet: str
    cidr: str
    total: int
    used: int
    version: int = 4


@dataclass(frozen=True)
class Stocks:
    """``/network-ip-availabilities``."""

    rows: tuple[Stock, ...] = ()

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> Stocks:
        """Entries of ``/network-ip-availabilities``, one row a subnet."""
        return Stocks(
            tuple(
                Stock(
                    r["network_id"],
                    r.get("network_name") or "",
                    s["subnet_id"],
                    s.get("cidr") or "",
                    int(s["total_ips"]),
                    int(s["used_ips"]),
                    int(s.get("ip_version") or 4),
                )
                for r in rows
                for s in r.get("subnet_ip_availability") or ()
            )
        )
