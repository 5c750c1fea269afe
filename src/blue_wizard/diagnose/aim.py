"""Where `--to` leads: the address, the protocol, and the way from a server's port to it by what the APIs say. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from blue_wizard.diagnose.bundle import Api
from blue_wizard.errors import InputError
from blue_wizard.text import _

__all__ = ["METADATA", "Aim", "Way", "aim_of", "chosen", "parse", "way"]

METADATA = "169.254.169.254"
_PROTOCOLS = ("icmp", "tcp", "udp")
ROUTER_OWNERS = (
    "network:router_interface",
    "network:ha_router_replicated_interface",
    "network:router_interface_distributed",
)


@dataclass(frozen=True)
class Aim:
    """What the server wants to reach. `number` is the port, 0 for icmp."""

    address: str
    protocol: str = "icmp"
    number: int = 0

    def __str__(self) -> str:
        """For people: ``10.0.0.1 tcp/80``."""
        return f"{self.address} {self.protocol}{f'/{self.number}' if self.number else ''}"

    @property
    def metadata(self) -> bool:
        """True for the address where guests ask Nova who they are."""
        return self.address == METADATA


@dataclass(frozen=True)
class Way:
    """By which port of its own network the server's packets leave for the aim.

    `kind`: ``router`` (the gateway), ``server`` (another port of the network has the address), ``dhcp`` (the DHCP port has, or
    serves, it), ``none`` (no port that Neutron knows). `out` is the router's port on the aim's side, None where the aim is the
    router itself.
    """

    kind: str
    port: dict[str, Any] | None = None
    router: dict[str, Any] | None = None
    out: dict[str, Any] | None = None


def parse(address: str, protocol: str | None) -> Aim:
    """From the words of the command line (`icmp`, `tcp/443`, `udp/53`). Raises InputError."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        found = None
    if found is None or found.version != 4:
        raise InputError(
            _("{address} is no IPv4 address.").format(address=address),
            _("For example: --to 8.8.8.8, or --to 169.254.169.254 for the metadata."),
        )
    if protocol is None:
        return Aim(address, "tcp", 80) if address == METADATA else Aim(address)
    name, _slash, number = protocol.lower().partition("/")
    wants_number = name != "icmp"
    if name not in _PROTOCOLS or wants_number != bool(number) or (number and not _is_port(number)):
        raise InputError(
            _("{protocol} is no protocol that can be followed.").format(protocol=protocol),
            _("Say icmp, tcp/PORT or udp/PORT."),
        )
    return Aim(address, name, int(number or 0))


def _is_port(text: str) -> bool:
    return text.isdigit() and 0 < int(text) < 65536


def aim_of(api: Api) -> Aim | None:
    """What a bundle was made for; None: for DHCP."""
    told = api.aim
    return Aim(told["address"], told["protocol"], told["number"]) if told else None


def within(address: str, subnets: Iterable[dict[str, Any]]) -> bool:
    """Whether one of the subnets has the address."""
    found = ipaddress.ip_address(address)
    return any(found in ipaddress.ip_network(s["cidr"]) for s in subnets if s["ip_version"] == 4)


def _subnets(api: Api, port: dict[str, Any]) -> list[dict[str, Any]]:
    mine = {ip["subnet_id"] for ip in port["fixed_ips"]}
    return [s for s in api.subnets[port["network_id"]] if s["ip_version"] == 4 and (s["id"] in mine or not mine)]


def chosen(api: Api, aim: Aim) -> dict[str, Any] | None:
    """The port by which the guest sends: its subnet has the address, else it is the first with a gateway."""
    on_link = [p for p in api.ports if within(aim.address, _subnets(api, p))]
    routed = [p for p in api.ports if any(s.get("gateway_ip") for s in _subnets(api, p))]
    return next(iter([*on_link, *routed, *api.ports]), None)


def way(api: Api, port: dict[str, Any], aim: Aim) -> Way:
    """The way of packets from that port."""
    subnets, network = _subnets(api, port), port["network_id"]
    if aim.address in _addresses(api.dhcp_ports[network]):
        return Way("dhcp", _holder(api.dhcp_ports[network], {aim.address}))
    if within(aim.address, subnets) and aim.address not in {s.get("gateway_ip") for s in subnets}:
        routers = _holder(api.aim["router_ports"], {aim.address}, network)
        if routers is None:
            holder = _holder(api.aim["holders"], {aim.address}, network)
            return Way("server", holder) if holder else Way("none")
        return _routed(api, routers, aim)
    gateways = {str(s["gateway_ip"]) for s in subnets if s.get("gateway_ip")}
    gateway = _holder(api.aim["router_ports"], gateways, network)
    if gateway is None and aim.metadata and api.dhcp_ports[network]:
        return Way("dhcp", api.dhcp_ports[network][0])
    return _routed(api, gateway, aim) if gateway else Way("router")


def _addresses(ports: Iterable[dict[str, Any]]) -> set[str]:
    return {str(ip["ip_address"]) for p in ports for ip in p["fixed_ips"]}


def _holder(ports: Iterable[dict[str, Any]], addresses: set[str], network: str | None = None) -> dict[str, Any] | None:
    return next((p for p in ports if p["network_id"] in {network, p["network_id"] if network is None else None}
                 and _addresses([p]) & addresses), None)  # fmt: skip


def _routed(api: Api, port: dict[str, Any], aim: Aim) -> Way:
    router = api.aim["routers"].get(port["device_id"])
    others = [p for p in api.aim["router_ports"] if p["device_id"] == port["device_id"] and p["id"] != port["id"]]
    if aim.metadata or aim.address in _addresses([port, *others]):
        return Way("router", port, router)
    near = [
        p
        for p in others
        if p["device_owner"] in ROUTER_OWNERS and within(aim.address, api.aim["subnets"].get(p["network_id"], []))
    ]
    outer = [p for p in others if p["device_owner"] == "network:router_gateway"]
    return Way("router", port, router, next(iter([*near, *outer]), None))
