"""The path that a port's packets should take, by what the APIs say: hosts, devices, bridges, tunnels, segment.

Names are Neutron's and Nova's: a prefix (``tap``, ``qbr``, ``qvb``, ``qvo``) and the first 11 characters of the port's id
(`LINUX_DEV_LEN` of neutron-lib, `NIC_NAME_LEN` of os-vif).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from blue_wizard.diagnose.aim import METADATA, Aim, aim_of, chosen, way
from blue_wizard.diagnose.bundle import Api

__all__ = ["TUNNELS", "Path", "paths"]

_DNS = 53
LINUXBRIDGE = "Linux bridge agent"
TUNNELS = {"vxlan", "gre", "geneve"}
UNSUPPORTED_VNICS = {"direct", "direct-physical", "macvtap", "baremetal", "virtio-forwarder", "vdpa", "accelerator-direct",
                     "accelerator-direct-physical", "remote-managed", "smart-nic"}  # fmt: skip


@dataclass(frozen=True)
class Path:
    """The way between one port of a server and one other port of its network, the far one.

    That is the DHCP port, or with `aim` the port by which packets for it leave the network (`purpose` is then the kind of
    `aim.Way`: ``router``, ``server``, ``dhcp``, ``none``; in OVN ``metadata``; without an aim
    ``""``). `far_port` is None where there is none.

    `compute` is where the server is (`server_host`, by Nova), else where its port is
    bound. With `linuxbridge` (ML2's Linux bridge driver) the uplinks are the devices that lead from the network's bridge to the
    other host. Tunnel addresses and bridges are those that the agents report ("" where agents can't be listed).
    """

    port: dict[str, Any]
    network: dict[str, Any]
    subnets: tuple[dict[str, Any], ...]
    far_port: dict[str, Any] | None
    compute: str
    server_host: str
    network_host: str
    hybrid: bool
    integration_bridge: str = "br-int"
    compute_bridge: str = ""
    network_bridge: str = ""
    compute_tunnel_ip: str = ""
    network_tunnel_ip: str = ""
    compute_uplink: str = ""
    network_uplink: str = ""
    linuxbridge: bool = False
    ovn: bool = False
    aim: Aim | None = None
    purpose: str = ""
    router: dict[str, Any] | None = None
    out_port: dict[str, Any] | None = None

    @property
    def id(self) -> str:
        """The port's id."""
        return str(self.port["id"])

    @property
    def key(self) -> str:
        """What names of traces begin with."""
        far = self.far_port
        return f"{self.id[:11]}/{far['id'][:11] if far else '-'}"

    @property
    def mac(self) -> str:
        """The port's MAC address."""
        return str(self.port["mac_address"]).lower()

    @property
    def address(self) -> str:
        """The port's first IPv4 address, or ""."""
        return _first_ipv4(self.port)

    @property
    def far_address(self) -> str:
        """The far port's address in the port's subnet, else its first, or ""."""
        if self.far_port is None:
            return ""
        mine = {ip["subnet_id"] for ip in self.port["fixed_ips"]}
        fitting = [ip["ip_address"] for ip in self.far_port["fixed_ips"] if ip["subnet_id"] in mine]
        return next((ip for ip in fitting if ":" not in ip), _first_ipv4(self.far_port))

    @property
    def tap(self) -> str:
        """The device of the VM."""
        return f"tap{self.id[:11]}"

    @property
    def far_device(self) -> str:
        """The far port's device in br-int."""
        if self.far_port is None:
            return ""
        if self.purpose == "metadata":
            return f"tap{self.network['id'][:10]}0"
        details = self.far_port.get("binding:vif_details") or {}
        hybrid = self.purpose == "server" and details.get("ovs_hybrid_plug")
        # The Linux bridge driver puts a veth pair there: tap in the bridge, ns- in the namespace.
        if self.linuxbridge and self.purpose != "server":
            return f"{'qr-' if self.purpose == 'router' else 'ns-'}{self.far_port['id'][:11]}"
        kind = "qr-" if self.purpose == "router" else "qvo" if hybrid else "tap"
        return f"{kind}{self.far_port['id'][:11]}"

    @property
    def inner_device(self) -> str:
        """The far port's device in its namespace: OVN's metadata agent puts a veth pair there (`_get_veth_name` of Neutron)."""
        return f"tap{self.network['id'][:10]}1" if self.purpose == "metadata" else self.far_device

    @property
    def bridge(self) -> str:
        """Where iptables meets the server's packets: ``qbr`` of the hybrid plug, ``brq`` of the Linux bridge driver."""
        return f"brq{self.network['id'][:11]}" if self.linuxbridge else self.device("qbr")

    @property
    def bridge_out(self) -> str:
        """The port of that bridge by which the server's packets leave it."""
        return self.compute_uplink if self.linuxbridge else self.device("qvb")

    @property
    def filtered(self) -> bool:
        """True when iptables is the firewall."""
        return self.hybrid or self.linuxbridge

    @property
    def far_hop(self) -> str:
        """The hop of the far port."""
        return {"router": "gateway-port", "server": "peer-port", "none": "peer-port", "metadata": "metadata-port"}.get(
            self.purpose, "dhcp-port"
        )

    @property
    def space(self) -> str:
        """The network namespace of the far port, "" where it has none."""
        if self.purpose == "router":
            return f"qrouter-{self.router['id']}" if self.router else ""
        if self.purpose == "metadata":
            return f"ovnmeta-{self.network['id']}"
        return "" if self.purpose in {"server", "none"} else f"qdhcp-{self.network['id']}"

    @property
    def out_device(self) -> str:
        """The router's device on the aim's side, "" where packets end in the router."""
        if self.out_port is None:
            return ""
        outer = self.out_port["device_owner"] == "network:router_gateway"
        return f"{'qg-' if outer else 'qr-'}{self.out_port['id'][:11]}"

    @property
    def switch_device(self) -> str:
        """The device of the port in br-int."""
        return f"qvo{self.id[:11]}" if self.hybrid else self.tap

    def device(self, prefix: str) -> str:
        """A device of the hybrid plug: ``qbr``, ``qvb``, ``qvo``."""
        return f"{prefix}{self.id[:11]}"

    @property
    def kind(self) -> str:
        """``vxlan``, ``vlan``, ``flat``, ``gre``, ``geneve``, ``local``; "" where this user may not know."""
        return str(self.network.get("provider:network_type") or "")

    @property
    def segment(self) -> int | None:
        """The VNI or VLAN id."""
        found = self.network.get("provider:segmentation_id")
        return int(found) if found is not None else None

    @property
    def tunnelled(self) -> bool:
        """True when packets between hosts go through a tunnel."""
        return self.kind in TUNNELS

    @property
    def same_host(self) -> bool:
        """True when server and DHCP server are on one host."""
        return bool(self.compute) and self.compute == self.network_host

    @property
    def supported(self) -> bool:
        """False where the way is not known here: it passes no device of the host (SR-IOV ...), or leads through OVN."""
        return not self.through_ovn and self.port.get("binding:vnic_type", "normal") not in UNSUPPORTED_VNICS

    @property
    def through_ovn(self) -> bool:
        """True when the packet goes further in OVN than to what answers DHCP and metadata on the compute host."""
        return self.ovn and self.aim is not None and not self.aim.metadata

    @property
    def answered_by_ovn(self) -> bool:
        """True when the packet is for what OVN has on the compute host itself; it goes no further.

        That is its controller, which answers DHCP, or (`purpose` is then ``metadata``) a proxy in a namespace of the network.
        """
        return self.ovn and self.supported

    def hops(self) -> tuple[str, ...]:
        """The ids of all hops, in the order of the request."""
        hybrid = ("tap", "qbr", "qvb", "qvo") if self.hybrid else ("tap",)
        if self.answered_by_ovn and self.aim is None:
            return ("guest", "tap", "compute-br-int", "dhcp-server")
        tail = self._tail()
        if self.linuxbridge:
            wire = ("compute-uplink", "compute-nic", "network-nic", "network-uplink", "network-brq")
            return ("guest", "tap", "compute-brq", *(() if self.same_host else wire), *tail)
        if self.same_host:
            return ("guest", *hybrid, "compute-br-int", *tail)
        outer = "br-tun" if self.tunnelled else "bridge"
        return ("guest", *hybrid, "compute-br-int", f"compute-{outer}", "compute-nic",
                "network-nic", f"network-{outer}", "network-br-int", *tail)  # fmt: skip

    def _tail(self) -> tuple[str, ...]:
        """The hops from the far port on."""
        if self.aim is None:
            return ("dhcp-port", "dhcp-server")
        if self.aim.address == METADATA:
            between = ("router",) if self.purpose == "router" else ()
            return (self.far_hop, *between, "metadata-proxy")
        if self.purpose == "router":
            return ("gateway-port", "router", *(("out-port",) if self.out_port else ()))
        if self.purpose == "dhcp":
            return ("dhcp-port", *(("dns-server",) if self.aim.number == _DNS else ()))
        return ("peer-port",)


def _first_ipv4(port: dict[str, Any]) -> str:
    return next((str(ip["ip_address"]) for ip in port["fixed_ips"] if ":" not in ip["ip_address"]), "")


def _agent(api: Api, host: str) -> dict[str, Any]:
    """What the layer 2 agent of a host reports of its configuration."""
    for agent in api.agents or ():
        if agent["host"] == host and agent["agent_type"] in {"Open vSwitch agent", LINUXBRIDGE}:
            return dict(agent.get("configurations") or {})
    return {}


def paths(api: Api, port: dict[str, Any]) -> tuple[Path, ...]:
    """One path for each DHCP port of the port's network (one without it where there is none); with an aim the one that leads there.

    With an aim none for ports by which the guest does not send there.
    """
    aim = aim_of(api)
    if aim is None:
        alone = _path(api, port, None)
        if alone.ovn:
            return (replace(alone, network_host=alone.compute),)
        servers = [p for p in api.dhcp_ports[port["network_id"]] if p.get("device_id") != "reserved_dhcp_port"]
        return tuple(_path(api, port, far) for far in (*servers, *(() if servers else (None,))))
    if port is not chosen(api, aim):
        return ()
    alone = _path(api, port, None)
    if alone.ovn and aim.metadata:
        far = _metadata_port(api, port["network_id"])
        return (replace(alone, far_port=far, network_host=alone.compute, aim=aim, purpose="metadata"),)
    found = way(api, port, aim)
    path = _path(api, port, found.port)
    return (replace(path, aim=aim, purpose=found.kind, router=found.router, out_port=found.out),)


def _metadata_port(api: Api, network: str) -> dict[str, Any] | None:
    """The port of OVN's metadata proxies, which is on every host of the network; old releases called its owner DHCP."""
    known = [p for p in api.aim.get("distributed", ()) if p["network_id"] == network]
    old = [p for p in api.dhcp_ports[network] if str(p.get("device_id")).startswith("ovnmeta-")]
    return next(iter([*known, *old]), None)


def _path(api: Api, port: dict[str, Any], far: dict[str, Any] | None) -> Path:
    network = api.networks[port["network_id"]]
    mine = {ip["subnet_id"] for ip in port["fixed_ips"]}
    subnets = tuple(s for s in api.subnets[network["id"]] if s["id"] in mine or not mine)
    server_host = str(api.server.get("OS-EXT-SRV-ATTR:host") or "")
    # The devices are where the server is, whatever its port says.
    compute = server_host or str(port.get("binding:host_id") or "")
    on_compute = _agent(api, compute)
    details = port.get("binding:vif_details") or {}
    hybrid = bool(details.get("ovs_hybrid_plug", on_compute.get("ovs_hybrid_plug", False)))
    physical = network.get("provider:physical_network") or ""
    network_host = str(far.get("binding:host_id") or "") if far else ""
    kinds = {a["agent_type"] for a in api.agents or () if a["host"] == compute}
    linuxbridge = port.get("binding:vif_type") == "bridge" or (
        LINUXBRIDGE in kinds and "Open vSwitch agent" not in kinds
    )
    on_network = _agent(api, network_host)
    return Path(
        port,
        network,
        subnets,
        far,
        compute,
        server_host,
        network_host,
        hybrid,
        str(details.get("bridge_name") or on_compute.get("integration_bridge") or "br-int"),
        str((on_compute.get("bridge_mappings") or {}).get(physical, "")),
        str((on_network.get("bridge_mappings") or {}).get(physical, "")),
        str(on_compute.get("tunneling_ip") or ""),
        str(on_network.get("tunneling_ip") or ""),
        _uplink(network, on_compute) if linuxbridge else "",
        _uplink(network, on_network) if linuxbridge else "",
        linuxbridge,
        "ovn" in (details.get("bound_drivers") or {}).values() or any(k.startswith("OVN Controller") for k in kinds),
    )


def _uplink(network: dict[str, Any], agent: dict[str, Any]) -> str:
    """The Linux bridge agent's names: ``vxlan-VNI``, ``NIC.VLAN``, or the NIC itself (flat)."""
    kind, segment = network.get("provider:network_type"), network.get("provider:segmentation_id")
    if kind in TUNNELS:
        return f"{kind}-{segment}"
    nic = str((agent.get("interface_mappings") or {}).get(network.get("provider:physical_network"), ""))
    # A device's name has 15 characters at most.
    return f"{nic[: 14 - len(str(segment))]}.{segment}" if nic and kind == "vlan" else nic
