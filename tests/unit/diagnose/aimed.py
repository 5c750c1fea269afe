"""A healthy server's recorded facts as they are for `--to`: its DHCP port becomes the router's, with a namespace behind it."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.diagnose.seen import HYBRID, Seen

OUTSIDE, METADATA = "198.51.100.7", "169.254.169.254"
ROUTER, FLOATING, GROUP = "6f000000-0000-4000-8000-000000000001", "203.0.113.9", "9a000000-0000-4000-8000-000000000001"
OUTER = "0f000000-00aa-4000-8000-000000000001"
QG = f"qg-{OUTER[:11]}"
NAT = """*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:neutron-l3-agent-PREROUTING - [0:0]
:neutron-l3-agent-OUTPUT - [0:0]
:neutron-l3-agent-float-snat - [0:0]
:neutron-l3-agent-snat - [0:0]
:neutron-postrouting-bottom - [0:0]
-A PREROUTING -j neutron-l3-agent-PREROUTING
-A OUTPUT -j neutron-l3-agent-OUTPUT
-A POSTROUTING -j neutron-postrouting-bottom
-A neutron-l3-agent-OUTPUT -d {floating}/32 -j DNAT --to-destination {address}
-A neutron-l3-agent-PREROUTING -d 169.254.169.254/32 -i qr-+ -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9697
-A neutron-l3-agent-PREROUTING -d {floating}/32 -j DNAT --to-destination {address}
-A neutron-l3-agent-float-snat -s {address}/32 -j SNAT --to-source {floating} --random-fully
-A neutron-l3-agent-snat -j neutron-l3-agent-float-snat
-A neutron-postrouting-bottom -j neutron-l3-agent-snat
-A neutron-l3-agent-snat -o {qg} -j SNAT --to-source 203.0.113.2 --random-fully
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
"""


def _out(text: str) -> dict[str, Any]:
    return {"rc": 0, "out": text, "err": ""}


class Aimed(Seen):
    """To an address outside, or to the metadata, by the router; with `floating` the port has a floating IP.

    `dhcp`: to the DHCP port itself.
    """

    def __init__(
        self,
        name: str = HYBRID,
        to: str = OUTSIDE,
        protocol: str = "icmp",
        number: int = 0,
        *,
        floating: bool = False,
        dhcp: bool = False,
    ) -> None:
        super().__init__(name)
        self.to_dhcp = dhcp
        network, address = self.network["id"], self.port["fixed_ips"][0]["ip_address"]
        gate = dict(self.dhcp_port, device_owner="network:router_interface", device_id=ROUTER)
        outer = {
            "id": OUTER, "network_id": "external", "device_id": ROUTER, "device_owner": "network:router_gateway",
            "mac_address": "fa:16:3e:00:00:99", "fixed_ips": [{"subnet_id": "out", "ip_address": "203.0.113.2"}],
            "binding:host_id": self.net_name, "admin_state_up": True, "status": "ACTIVE",
        }  # fmt: skip
        allow = {"direction": "egress", "ethertype": "IPv4", "protocol": None, "port_range_min": None, "port_range_max": None,
                 "remote_ip_prefix": None, "remote_group_id": None}  # fmt: skip
        self.port["security_groups"] = [GROUP]
        self.router: dict[str, Any] = {
            "id": ROUTER, "name": "r", "admin_state_up": True, "distributed": False, "ha": False,
            "external_gateway_info": {"network_id": "external", "enable_snat": True},
        }  # fmt: skip
        self.rules: list[dict[str, Any]] = [allow]
        aimed = self.dhcp_port["fixed_ips"][0]["ip_address"] if dhcp and to == OUTSIDE else to
        held = [{"floating_ip_address": FLOATING, "fixed_ip_address": address, "port_id": self.port["id"]}]
        self.api.aim = {
            "address": aimed, "protocol": protocol, "number": number,
            "router_ports": [] if dhcp else [gate, outer], "holders": [], "distributed": [], "routers": {ROUTER: self.router},
            "l3_agents": {ROUTER: [{"host": self.net_name}]},
            "floating": held if floating else [],
            "groups": {GROUP: {"id": GROUP, "security_group_rules": self.rules}},
            "networks": {"external": {"id": "external", "provider:physical_network": "elsewhere"}},
            "subnets": {**self.api.subnets, "external": [{"id": "out", "ip_version": 4, "cidr": "203.0.113.0/24"}]},
        }  # fmt: skip
        if not dhcp:
            self.api.subnets[network][0]["gateway_ip"] = self.dhcp_port["fixed_ips"][0]["ip_address"]
            self.api.dhcp_ports[network] = []
            renamed = json.dumps(self.net).replace(f"tap{self.dhcp_short}", self.far)
            self.bundle.hosts[self.net_name].answers = json.loads(renamed)
        for answers, side in ((self.cmp, "compute"), (self.net, "network")):
            key = f"{self.short}/{self.dhcp_short}/{side}-"
            answers["traces"][f"{key}arp"] = dict(answers["traces"][f"{key}request"])
        self.net["spaces"] = {self.space_name: self._namespace(address)}
        self.net["unix"] = ["/var/lib/neutron/metadata_proxy"]

    @property
    def far(self) -> str:
        """The far port's device."""
        return f"{'tap' if self.to_dhcp else 'qr-'}{self.dhcp_short}"

    @property
    def space_name(self) -> str:
        """The far port's namespace."""
        return f"qdhcp-{self.network['id']}" if self.to_dhcp else f"qrouter-{ROUTER}"

    @property
    def space(self) -> dict[str, Any]:
        """What was seen of it."""
        return self.net["spaces"][self.space_name]  # type: ignore[no-any-return]

    @property
    def inside(self) -> dict[str, dict[str, Any]]:
        """What the commands in it wrote."""
        return self.space["inside"]  # type: ignore[no-any-return]

    def _namespace(self, address: str) -> dict[str, Any]:
        gateway, mtu = self.dhcp_port["fixed_ips"][0]["ip_address"], self.network["mtu"]
        links = [{"ifname": n, "flags": ["UP", "LOWER_UP"], "operstate": "UNKNOWN", "mtu": mtu, "address": "fa:16:3e:00:00:01"}
                 for n in (self.far, QG)]  # fmt: skip
        links[0]["address"] = self.dhcp_port["mac_address"]
        held = {self.far: [gateway, METADATA] if self.to_dhcp else [gateway], QG: ["203.0.113.2", FLOATING]}
        addresses = [
            {"ifname": n, "addr_info": [{"local": a, "prefixlen": 24} for a in found]} for n, found in held.items()
        ]
        routes = [
            {"dst": "default", "gateway": "203.0.113.1", "dev": QG},
            {"dst": self.api.subnets[self.network["id"]][0]["cidr"], "dev": self.far},
        ]
        listens = "  sl  local_address rem_address   st\n" + "".join(
            f"   {i}: 00000000:{p:04X} 00000000:0000 0A 00000000:00000000\n" for i, p in enumerate((9697, 80, 53))
        )
        proxy = {"pid": 7, "argv": ["haproxy", "-f", "x"], "state": "S", "netns": 1,
                 "config": "listen listener\n    server metadata /var/lib/neutron/metadata_proxy\n"}  # fmt: skip
        return {
            "namespace": 1,
            "proxies": [proxy],
            "inside": {
                "link": _out(json.dumps(links)),
                "addr": _out(json.dumps(addresses)),
                "route": _out(json.dumps(routes)),
                "iptables": _out(NAT.format(floating=FLOATING, address=address, qg=QG)),
                "forward": _out("1\n"),
                "tcp": _out(listens),
                "udp": _out(listens),
            },
        }
