"""MAC addresses, MTU, connections."""

from __future__ import annotations

from tests.unit.diagnose.cases import found, lost
from tests.unit.diagnose.seen import HYBRID, TWO_PORTS, Seen


@lost("port.mtu", HYBRID, ("qbr", "qvb"))
def small_mtu(s: Seen) -> None:
    s.link(s.cmp, f"qvb{s.short}", mtu=200)


@lost("port.mtu", HYBRID, ("qbr", "tap"), "reply")
def small_tap_mtu(s: Seen) -> None:
    s.link(s.cmp, f"tap{s.short}", mtu=200)


@lost("ovs.duplicate-mac", HYBRID, ("dhcp-port", "network-br-int"), "reply")
def mac_elsewhere(s: Seen) -> None:
    number = s.ofport(s.net, "qr-f2660804-94")
    s.net["fdb"]["br-int"]["out"] = (
        f" port  VLAN  MAC                Age\n    {number}     5  {s.port['mac_address']}    3\n"
    )


@lost("ovs.duplicate-mac", HYBRID, ("dhcp-port", "network-br-int"), "reply")
def mac_held_elsewhere(s: Seen) -> None:
    number = s.ofport(s.net, "qr-f2660804-94")
    s.net["fdb"]["br-int"]["out"] = (
        f" port  VLAN  MAC                Age\n    {number}     5  {s.port['mac_address']}  static\n"
    )


@found("network.duplicate-segment", TWO_PORTS)
def two_networks(s: Seen) -> None:
    s.api.same_segment[s.network["id"]] = [{"id": "other", "name": "other"}]


@found("ovs.duplicate-mac", HYBRID)
def two_ports(s: Seen) -> None:
    s.api.same_mac[s.port["id"]] = [dict(s.port, id="other")]


@found("conntrack.nearly-full", HYBRID)
def many_connections(s: Seen) -> None:
    s.cmp["proc"].update({"net/netfilter/nf_conntrack_count": "900", "net/netfilter/nf_conntrack_max": "1000"})


@found("conntrack.full", HYBRID)
def all_connections(s: Seen) -> None:
    s.cmp["proc"].update({"net/netfilter/nf_conntrack_count": "1000", "net/netfilter/nf_conntrack_max": "1000"})
