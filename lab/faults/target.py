"""What a fault is planted on: one port of one server, and the names that follow from it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lab.faults import OVN
from lab.hosts import on
from lab.run import LabError, run
from lab.site import CLOUD_B_HOSTS, EVERY_HOST, LAB, STATE, Cloud, exports


def shell(place: str, script: str) -> str:
    """Run a script on a lab host, or on this machine (`machine`); its stdout. Raises LabError when it fails."""
    # Flows, rules and names are parsed: nothing may come in another language or with colours.
    argv = ["sh", "-c", "export LC_ALL=C\n" + script]
    return run(argv, timeout=120) if place == "machine" else on(EVERY_HOST[place], argv, timeout=120)


@dataclass(frozen=True)
class Target:
    """One port. `segment`: VNI or VLAN ID on the wire; `host`, `net`: where the server and its DHCP server run.

    `router` is the one at the network's gateway address ("" where there is none), with its ports there and on the external network;
    `floating` the port's floating IP.

    `sh` runs a script on a host; tests put another one there.
    """

    server: str
    instance: str
    port: str
    mac: str
    address: str
    network: str
    subnet: str
    network_type: str
    segment: int
    host: str
    hybrid: bool
    net: str
    dhcp_port: str
    dhcp_agent: str
    router: str = ""
    gateway_port: str = ""
    outer_port: str = ""
    gateway: str = ""
    floating: str = ""
    dhcp_address: str = ""
    sh: Callable[[str, str], str] = field(default=shell, repr=False, compare=False)

    @property
    def kind(self) -> str:
        """One of KINDS, or OVN."""
        if self.host in CLOUD_B_HOSTS:
            return OVN
        return ("vlan-" if self.network_type == "vlan" else "") + ("hybrid" if self.hybrid else "ovsfw")

    # Neutron's and Nova's names: a prefix and the first eleven characters of the port's id; ten for iptables chains.
    @property
    def tap(self) -> str:
        return f"tap{self.port[:11]}"

    @property
    def qbr(self) -> str:
        return f"qbr{self.port[:11]}"

    @property
    def qvb(self) -> str:
        return f"qvb{self.port[:11]}"

    @property
    def qvo(self) -> str:
        return f"qvo{self.port[:11]}"

    @property
    def edge(self) -> str:
        """The port's interface in br-int."""
        return self.qvo if self.hybrid else self.tap

    def chain(self, letter: str) -> str:
        """An iptables chain of the port: `i` to the guest, `o` from it, `s` its addresses."""
        return f"neutron-openvswi-{letter}{self.port[:10]}"

    @property
    def dhcp_tap(self) -> str:
        return f"tap{self.dhcp_port[:11]}"

    @property
    def qr(self) -> str:
        """The router's device on the port's network."""
        return f"qr-{self.gateway_port[:11]}"

    @property
    def qg(self) -> str:
        """The router's device on the external network."""
        return f"qg-{self.outer_port[:11]}"

    @property
    def router_space(self) -> str:
        return f"qrouter-{self.router}"

    @property
    def namespace(self) -> str:
        return f"qdhcp-{self.network}"

    @property
    def dhcp_folder(self) -> str:
        """Where the DHCP agent keeps dnsmasq's files."""
        return str(EVERY_HOST[self.net].folder / "neutron" / "dhcp" / self.network)

    def tunnel_to(self, other: str) -> str:
        """The tunnel port that leads to a host: the address of its end in hexadecimal."""
        return "vxlan-" + "".join(f"{int(x):02x}" for x in EVERY_HOST[other].underlay.split("."))

    def local_vlan(self, host: str) -> int:
        """The tag by which br-int of a host knows the network."""
        name = self.edge if host == self.host else self.dhcp_tap
        return int(self.sh(host, f"ovs-vsctl --timeout=10 get Port {name} tag").strip())

    def ofport(self, host: str, interface: str) -> int:
        """The OpenFlow number of an interface."""
        return int(self.sh(host, f"ovs-vsctl --timeout=10 get Interface {interface} ofport").strip())

    def names(self) -> dict[str, str]:
        """What may stand in braces in a fault's `object`."""
        found = (
            "server",
            "port",
            "mac",
            "address",
            "network",
            "subnet",
            "host",
            "net",
            "dhcp_port",
            "tap",
            "qbr",
            "qvb",
            "qvo",
            "edge",
            "dhcp_tap",
            "namespace",
            "qr",
            "qg",
            "router_space",
            "gateway",
            "floating",
            "dhcp_address",
        )
        return {n: str(getattr(self, n)) for n in found} | {
            "to_net": self.tunnel_to(self.net),
            "to_host": self.tunnel_to(self.host),
            "chain_o": self.chain("o"),
            "chain_i": self.chain("i"),
        }


def connect(cloud: Cloud = LAB) -> Any:
    """A cloud of the lab as its administrator."""
    import openstack

    if not (STATE / "clouds.yaml").exists():
        raise LabError("the lab is not up: make lab")
    os.environ.update(exports())
    return openstack.connect(cloud=cloud.name)


def targets(cloud: Any, server: str) -> list[Target]:
    """The ports of a server (name or id). Raises LabError when there is none."""
    found = cloud.compute.find_server(server, all_projects=True)
    if found is None:
        raise LabError(f"there is no server {server}")
    full = cloud.compute.get_server(found.id)
    made = [_target(cloud, full, p) for p in cloud.network.ports(device_id=full.id)]
    if not made:
        raise LabError(f"{server} has no port")
    return made


def _target(cloud: Any, server: Any, port: Any) -> Target:
    network = cloud.network.get_network(port.network_id)
    # In OVN the compute host itself answers.
    by_agents = server.compute_host not in CLOUD_B_HOSTS
    agents = list(cloud.network.network_hosting_dhcp_agents(network.id)) if by_agents else []
    dhcp = list(cloud.network.ports(network_id=network.id, device_owner="network:dhcp"))
    host = server.compute_host
    gates = list(cloud.network.ports(network_id=network.id, device_owner="network:router_interface"))
    router = gates[0].device_id if gates else ""
    outer = list(cloud.network.ports(device_id=router, device_owner="network:router_gateway")) if router else []
    floating = list(cloud.network.ips(port_id=port.id))
    return Target(
        server=server.id,
        instance=server.instance_name,
        port=port.id,
        mac=port.mac_address,
        address=port.fixed_ips[0]["ip_address"] if port.fixed_ips else "",
        network=network.id,
        subnet=port.fixed_ips[0]["subnet_id"] if port.fixed_ips else "",
        network_type=network.provider_network_type,
        segment=int(network.provider_segmentation_id or 0),
        host=host,
        hybrid=EVERY_HOST[host].firewall == "iptables_hybrid",
        net=agents[0].host if agents else "net1" if by_agents else host,
        dhcp_port=dhcp[0].id if dhcp else "",
        dhcp_agent=agents[0].id if agents else "",
        router=router,
        gateway_port=gates[0].id if gates else "",
        outer_port=outer[0].id if outer else "",
        gateway=gates[0].fixed_ips[0]["ip_address"] if gates else "",
        floating=floating[0].floating_ip_address if floating else "",
        dhcp_address=dhcp[0].fixed_ips[0]["ip_address"] if dhcp and dhcp[0].fixed_ips else "",
    )
