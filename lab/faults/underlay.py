"""Under the tunnels: cards, addresses, MTU, and what stands between the hosts. No agent looks after these."""

from __future__ import annotations

from lab.faults import Change, fault
from lab.faults.changes import address_gone, drop_udp, flow_added, link_down, mtu
from lab.faults.target import Target

VXLAN = ("hybrid", "ovsfw")
TUNNEL = 4789


@fault("underlay-down", on=VXLAN, code="underlay.link-down", hop="compute-nic", segment="compute-ovs", object="phy0")
def _(t: Target) -> list[Change]:
    return [link_down(t, t.host, "phy0")]


@fault(
    "underlay-down-network",
    on=VXLAN,
    code="underlay.link-down",
    hop="network-nic",
    segment=("wire", "compute-ovs"),
    object="phy0",
)
def _(t: Target) -> list[Change]:
    return [link_down(t, t.net, "phy0")]


@fault(
    "underlay-cable",
    on=VXLAN,
    code="underlay.link-down",
    hop="compute-nic",
    segment="compute-ovs",
    object="phy0",
    note="the other end of the host's cable: the card is up, and has no carrier",
)
def _(t: Target) -> list[Change]:
    outside = f"bwl-u-{t.host}"
    return [link_down(t, "machine", outside)]


@fault(
    "underlay-mtu",
    on=VXLAN,
    code="underlay.mtu",
    hop="compute-nic",
    segment=("compute-ovs", "wire"),
    object="phy0",
    note="Open vSwitch lets the MTU of its own end follow; it is put back too",
)
def _(t: Target) -> list[Change]:
    return [mtu(t, t.host, "phy0", 300, "br-phy")]


@fault("underlay-mtu-network", on=VXLAN, code="underlay.mtu", hop="network-nic", segment="wire", object="phy0")
def _(t: Target) -> list[Change]:
    return [mtu(t, t.net, "phy0", 300, "br-phy")]


@fault(
    "underlay-address",
    on=VXLAN,
    code="underlay.no-address",
    hop="compute-br-tun",
    segment="compute-ovs",
    object="10.98.0.|br-phy",
)
def _(t: Target) -> list[Change]:
    return [address_gone(t, t.host, "br-phy", r"10\.98\.0\.")]


@fault(
    "underlay-address-network",
    on=VXLAN,
    code="underlay.no-address",
    hop="network-br-tun",
    segment=("network-ovs", "compute-ovs"),
    object="10.98.0.|br-phy",
    note="once the compute host has forgotten whose the address is, it sends nothing to it",
)
def _(t: Target) -> list[Change]:
    return [address_gone(t, t.net, "br-phy", r"10\.98\.0\.")]


@fault(
    "underlay-blocked",
    on=VXLAN,
    code="underlay.blocked",
    hop="network-nic",
    segment="wire",
    look="packet",
    note="a firewall between the hosts: no host can see it",
)
def _(t: Target) -> list[Change]:
    return [drop_udp(t, "machine", f"bwl-u-{t.net}", "egress", TUNNEL)]


@fault(
    "underlay-blocked-reply",
    on=VXLAN,
    code="underlay.blocked",
    hop="compute-nic",
    segment="wire",
    direction="reply",
    look="packet",
    note="a firewall between the hosts: no host can see it",
)
def _(t: Target) -> list[Change]:
    return [drop_udp(t, "machine", f"bwl-u-{t.host}", "egress", TUNNEL)]


@fault(
    "underlay-bridge-drops",
    on=VXLAN,
    code="underlay.blocked",
    hop="network-nic",
    segment="network-ovs",
    object="br-phy",
    also=("ovs.foreign-drop-flow",),
)
def _(t: Target) -> list[Change]:
    return [flow_added(t.net, "br-phy", f"table=0,priority=50,udp,tp_dst={TUNNEL}")]


@fault(
    "underlay-bridge-drops-reply",
    on=VXLAN,
    code="underlay.blocked",
    hop="compute-nic",
    segment="compute-ovs",
    direction="reply",
    object="br-phy",
    also=("ovs.foreign-drop-flow",),
)
def _(t: Target) -> list[Change]:
    number = t.ofport(t.host, "phy0")
    return [flow_added(t.host, "br-phy", f"table=0,priority=50,in_port={number},udp,tp_dst={TUNNEL}")]


@fault(
    "underlay-route",
    on=VXLAN,
    code="underlay.no-route",
    hop="compute-br-tun",
    segment="compute-ovs",
    object="10.98.0.|br-phy",
)
def _(t: Target) -> list[Change]:
    route = t.sh(t.host, "ip -4 route show dev br-phy").strip()
    again = f"ip route replace {route} dev br-phy"
    return [Change(t.host, f"ip route del {route} dev br-phy", again)]
