"""Tunnels."""

from __future__ import annotations

from tests.unit.diagnose.cases import lost
from tests.unit.diagnose.seen import HYBRID, Seen, dropped, unmatched


@lost("tunnel.flood-flow", HYBRID, ("compute-br-tun", "compute-nic"))
def no_flood(s: Seen) -> None:
    s.flow_gone(s.cmp, "br-tun", "table=22,.*priority=1,dl_vlan=1 ")
    s.traced(s.cmp, "compute-request", dropped("br-tun", 22))


@lost("tunnel.wrong-vni", HYBRID, ("network-nic", "network-br-tun"))
def wrong_vni(s: Seen) -> None:
    s.edit(s.cmp["flows"]["br-tun"], r"(table=22,.*dl_vlan=1 .*)0x681", r"\g<1>0x65")


@lost("tunnel.port-missing", HYBRID, ("compute-br-tun", "compute-nic"))
def no_tunnel(s: Seen) -> None:
    s.port_gone(s.cmp, "vxlan-0a62000b")


@lost("tunnel.remote-address", HYBRID, ("compute-br-tun", "compute-nic"))
def wrong_remote(s: Seen) -> None:
    s.set_option(s.cmp, "vxlan-0a62000b", "options", "remote_ip", "10.98.0.77")


@lost("tunnel.input-flow", HYBRID, ("network-nic", "network-br-tun"))
def no_input(s: Seen) -> None:
    s.flow_gone(s.net, "br-tun", "table=4,.*tun_id=0x681 ")
    s.traced(s.net, "network-request", dropped("br-tun", 4))


@lost("tunnel.input-flow", HYBRID, ("compute-nic", "compute-br-tun"), "reply")
def no_input_back(s: Seen) -> None:
    s.flow_gone(s.cmp, "br-tun", "table=4,.*tun_id=0x681 ")
    s.traced(s.cmp, "compute-reply", dropped("br-tun", 4))


@lost("tunnel.input-wrong-tag", HYBRID, ("network-br-tun", "network-br-int"))
def wrong_input(s: Seen) -> None:
    s.edit(s.net["flows"]["br-tun"], r"(table=4,.*tun_id=0x681 .*set_field:)4101", r"\g<1>4109")


@lost("tunnel.learned-wrong", HYBRID, ("network-br-tun", "network-nic"), "reply")
def wrong_way(s: Seen) -> None:
    s.edit(s.net["flows"]["br-tun"], rf"(table=20,.*dl_dst={s.port['mac_address']} .*output:)3", r"\g<1>2")


@lost("tunnel.input-flow", HYBRID, ("network-nic", "network-br-tun"))
def no_input_port(s: Seen) -> None:
    number = s.ofport(s.net, "vxlan-0a62000c")
    s.flow_gone(s.net, "br-tun", f"table=0,.*in_port={number} ")
    s.traced(s.net, "network-request", dropped("br-tun", 0))


@lost("ovs.stale-ofport", HYBRID, ("network-nic", "network-br-tun"))
def tunnel_renumbered(s: Seen) -> None:
    s.set_row(s.net, 2, "vxlan-0a62000c", ofport=77)
    s.traced(s.net, "network-request", dropped("br-tun", 0))


@lost("ovs.stale-ofport", HYBRID, ("compute-br-tun", "compute-nic"))
def flood_renumbered(s: Seen) -> None:
    s.set_row(s.cmp, 2, "vxlan-0a62000b", ofport=77)


@lost("tunnel.port-missing", HYBRID, ("network-nic", "network-br-tun"))
def no_tunnel_back(s: Seen) -> None:
    s.port_gone(s.net, "vxlan-0a62000c")


@lost("tunnel.base-flow", HYBRID, ("compute-br-int", "compute-br-tun"))
def no_base_tunnel_flow(s: Seen) -> None:
    s.traced(s.cmp, "compute-request", unmatched("br-tun", 2))
