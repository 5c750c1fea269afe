"""Each fault family on recorded facts: a healthy server's, altered as the fault alters them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from blue_wizard.diagnose.bundle import HostAnswer
from blue_wizard.diagnose.model import Verdict
from tests.unit.diagnose.seen import ALL, HYBRID, OVSFW, TWO_PORTS, VLAN_OVSFW, Seen, dropped, unmatched

Fault = Callable[[Seen], None]
CASES: list[tuple[str, str, Fault, str, tuple[str, str], str]] = []
FINDINGS: list[tuple[str, str, Fault, str]] = []


def lost(code: str, recorded: str, between: tuple[str, str], direction: str = "request") -> Callable[[Fault], Fault]:
    def register(fault: Fault) -> Fault:
        CASES.append((fault.__name__, recorded, fault, code, between, direction))
        return fault

    return register


def found(code: str, recorded: str) -> Callable[[Fault], Fault]:
    def register(fault: Fault) -> Fault:
        FINDINGS.append((fault.__name__, recorded, fault, code))
        return fault

    return register


# --- the API ---


@lost("server.not-active", HYBRID, ("guest", "tap"))
def server_off(s: Seen) -> None:
    s.api.server["status"] = "SHUTOFF"
    s.link_gone(s.cmp, f"tap{s.short}")


@lost("server.not-active", OVSFW, ("guest", "tap"))
def server_paused(s: Seen) -> None:
    s.api.server["OS-EXT-STS:power_state"] = 3


@lost("port.binding-failed", HYBRID, ("guest", "tap"))
def binding_failed(s: Seen) -> None:
    s.port["binding:vif_type"] = "binding_failed"
    s.link_gone(s.cmp, f"tap{s.short}")


@lost("port.unbound", OVSFW, ("guest", "tap"))
def unbound(s: Seen) -> None:
    s.port["binding:vif_type"] = "unbound"
    s.link_gone(s.cmp, f"tap{s.short}")


@lost("port.admin-down", HYBRID, ("qvo", "compute-br-int"))
def port_off(s: Seen) -> None:
    s.port["admin_state_up"] = False
    s.set_row(s.cmp, 1, f"qvo{s.short}", tag=4095)


@lost("network.admin-down", HYBRID, ("dhcp-port", "dhcp-server"))
def network_off(s: Seen) -> None:
    s.network["admin_state_up"] = False
    s.dhcp.update(namespace=None, processes=[], inside={})


@lost("subnet.dhcp-off", HYBRID, ("dhcp-port", "dhcp-server"))
def no_dhcp(s: Seen) -> None:
    s.api.subnets[s.network["id"]][0]["enable_dhcp"] = False
    s.dhcp.update(processes=[])


@lost("dhcp.no-agent", HYBRID, ("dhcp-port", "dhcp-server"))
def no_agent(s: Seen) -> None:
    s.api.dhcp_agents[s.network["id"]] = []


@lost("dhcp.port-missing", HYBRID, ("network-br-int", "dhcp-port"))
def no_dhcp_port(s: Seen) -> None:
    s.api.dhcp_ports[s.network["id"]].clear()


@lost("port.host-mismatch", HYBRID, ("guest", "tap"))
def other_host(s: Seen) -> None:
    s.api.server["OS-EXT-SRV-ATTR:host"] = "cmp9"


@lost("port.no-fixed-ip", HYBRID, ("dhcp-port", "dhcp-server"))
def no_address(s: Seen) -> None:
    s.port["fixed_ips"] = []


@lost("l2.no-tunnel-address", HYBRID, ("compute-br-int", "compute-br-tun"))
def no_tunnels(s: Seen) -> None:
    for agent in s.api.agents or ():
        if agent["host"] == s.compute:
            agent["configurations"].update(tunneling_ip=None, tunnel_types=[])


@lost("l2.no-bridge-mapping", VLAN_OVSFW, ("tap", "compute-br-int"))
def no_mapping(s: Seen) -> None:
    for agent in s.api.agents or ():
        if agent["host"] == s.compute:
            agent["configurations"]["bridge_mappings"] = {}


@lost("l2.agent-dead", HYBRID, ("qvo", "compute-br-int"))
def dead_agent_new_port(s: Seen) -> None:
    _kill_agent(s, s.compute, "Open vSwitch agent")
    s.set_row(s.cmp, 1, f"qvo{s.short}", tag=4095, other_config=["map", []], vlan_mode="trunk", trunks=4095)


@lost("dhcp.agent-dead", HYBRID, ("dhcp-port", "dhcp-server"))
def dead_dhcp_agent_new_port(s: Seen) -> None:
    _kill_agent(s, s.net_name, "DHCP agent")
    s.dhcp["files"]["host"] = ""


def _kill_agent(s: Seen, host: str, kind: str) -> None:
    for agent in s.api.agents or ():
        if agent["host"] == host and agent["agent_type"] == kind:
            agent["alive"] = False


# --- the server's devices ---


@lost("tap.missing", HYBRID, ("guest", "tap"))
def tap_missing(s: Seen) -> None:
    s.link_gone(s.cmp, f"tap{s.short}")


@lost("tap.down", OVSFW, ("guest", "tap"))
def tap_down(s: Seen) -> None:
    s.link_down(s.cmp, f"tap{s.short}")


@lost("tap.not-in-bridge", HYBRID, ("tap", "qbr"))
def tap_alone(s: Seen) -> None:
    s.link(s.cmp, f"tap{s.short}", master="")


@lost("tap.not-in-bridge", OVSFW, ("tap", "compute-br-int"))
def tap_not_in_switch(s: Seen) -> None:
    s.port_gone(s.cmp, f"tap{s.short}")


@lost("qbr.down", HYBRID, ("tap", "qbr"))
def qbr_down(s: Seen) -> None:
    s.link_down(s.cmp, f"qbr{s.short}")


@lost("qbr.missing", HYBRID, ("tap", "qbr"))
def qbr_missing(s: Seen) -> None:
    s.link_gone(s.cmp, f"qbr{s.short}")


@lost("qvb.down", HYBRID, ("qbr", "qvb"))
def qvb_down(s: Seen) -> None:
    s.link_down(s.cmp, f"qvb{s.short}")


@lost("qvb.missing", HYBRID, ("qbr", "qvb"))
def qvb_missing(s: Seen) -> None:
    s.link_gone(s.cmp, f"qvb{s.short}")
    s.link_gone(s.cmp, f"qvo{s.short}")


@lost("qvb.not-in-bridge", HYBRID, ("qbr", "qvb"))
def qvb_alone(s: Seen) -> None:
    s.link(s.cmp, f"qvb{s.short}", master="")


@lost("qvo.down", HYBRID, ("qvb", "qvo"))
def qvo_down(s: Seen) -> None:
    s.link_down(s.cmp, f"qvo{s.short}")


@lost("qvo.down", HYBRID, ("qvb", "qvo"))
def qvo_down_takes_the_carrier_of_qvb(s: Seen) -> None:
    s.link_down(s.cmp, f"qvo{s.short}")
    s.link(s.cmp, f"qvb{s.short}", flags=["BROADCAST", "UP"], operstate="LOWERLAYERDOWN")
    _flag(s, f"qvb{s.short}", state="disabled")


@lost("qvo.not-in-br-int", HYBRID, ("qvo", "compute-br-int"))
def qvo_unplugged(s: Seen) -> None:
    s.port_gone(s.cmp, f"qvo{s.short}")


@lost("qbr.vlan-filtering", HYBRID, ("tap", "qbr"))
def qbr_filters(s: Seen) -> None:
    s.link(s.cmp, f"qbr{s.short}", linkinfo={"info_kind": "bridge", "info_data": {"vlan_filtering": 1}})
    vlans = [{"vlan": 1, "flags": ["PVID", "Egress Untagged"]}]
    ports = [{"ifname": f"tap{s.short}", "vlans": []}, {"ifname": f"qvb{s.short}", "vlans": vlans}]
    s.cmp["bridge_vlan"]["out"] = json.dumps(ports)


@lost("qbr.port-blocked", HYBRID, ("qbr", "qvb"))
def port_blocked(s: Seen) -> None:
    slave = {"info_kind": "veth", "info_slave_kind": "bridge", "info_slave_data": {"state": "disabled"}}
    s.link(s.cmp, f"qvb{s.short}", linkinfo=slave)


def _flag(s: Seen, device: str, **flags: object) -> None:
    slave = {"info_kind": "tun", "info_slave_kind": "bridge", "info_slave_data": {"state": "forwarding"} | flags}
    s.link(s.cmp, device, linkinfo=slave)


@lost("qbr.port-flags", HYBRID, ("qbr", "qvb"))
def ports_isolated(s: Seen) -> None:
    _flag(s, f"tap{s.short}", isolated=True)
    _flag(s, f"qvb{s.short}", isolated=True)


@lost("qbr.port-flags", HYBRID, ("qbr", "qvb"))
def no_broadcast(s: Seen) -> None:
    _flag(s, f"qvb{s.short}", bcast_flood=False)


@lost("qbr.port-flags", HYBRID, ("qbr", "tap"), "reply")
def no_flood_to_tap(s: Seen) -> None:
    _flag(s, f"tap{s.short}", flood=False)


@lost("guest.wrong-mac", HYBRID, ("guest", "tap"))
def wrong_mac(s: Seen) -> None:
    s.edit(s.cmp["domain"], s.port["mac_address"], "52:54:00:00:00:01")


@lost("guest.link-down", OVSFW, ("guest", "tap"))
def cable_pulled(s: Seen) -> None:
    s.edit(s.cmp["domain"], f"<target dev='tap{s.short}'/>", f"<target dev='tap{s.short}'/><link state='down'/>")


# As iproute2 6.1 prints it: drop UDP to a port, by classic BPF.
BYTECODE = (
    "filter protocol all pref 1 bpf chain 0 \n"
    "filter protocol all pref 1 bpf chain 0 handle 0x1 direct-action not_in_hw bytecode '11,40 0 0 12,21 0 8 2048,48 0 0 23,"
    "21 0 6 17,40 0 0 20,69 4 0 8191,177 0 0 14,72 0 0 16,21 0 1 {port},6 0 0 2,6 0 0 4294967295'\n"
)


@lost("tap.tc-filter", HYBRID, ("tap", "qbr"))
def filtered(s: Seen) -> None:
    s.cmp["devices"][f"tap{s.short}"]["tc_in"]["out"] = BYTECODE.format(port=67)


@lost("dhcp.blocked", HYBRID, ("dhcp-server", "dhcp-port"), "reply")
def filtered_at_the_server(s: Seen) -> None:
    s.dhcp["inside"]["tc_out"]["out"] = BYTECODE.format(port=68)


@found("tap.tc-filter", HYBRID)
def a_program_nobody_can_judge(s: Seen) -> None:
    text = "filter protocol all pref 1 bpf chain 0 handle 0x1 cil_from_container direct-action not_in_hw id 7 tag 0a jited\n"
    s.cmp["devices"][f"tap{s.short}"]["tc_in"]["out"] = text


@found("tap.tc-filter", OVSFW)
def xdp(s: Seen) -> None:
    s.link(s.cmp, f"tap{s.short}", xdp={"mode": 1})


@lost("port.mtu", HYBRID, ("qbr", "qvb"))
def small_mtu(s: Seen) -> None:
    s.link(s.cmp, f"qvb{s.short}", mtu=200)


@lost("port.mtu", HYBRID, ("qbr", "tap"), "reply")
def small_tap_mtu(s: Seen) -> None:
    s.link(s.cmp, f"tap{s.short}", mtu=200)


@lost("tap.tc-filter", HYBRID, ("qbr", "tap"), "reply")
def filtered_reply(s: Seen) -> None:
    s.cmp["devices"][f"tap{s.short}"]["tc_out"]["out"] = (
        "filter protocol all pref 4 matchall chain 0 handle 0x1 \n\taction order 1: gact action drop\n"
    )


# --- packet filter ---


@lost("iptables.foreign-drop", HYBRID, ("tap", "qbr"))
def foreign_raw_rule(s: Seen) -> None:
    s.edit(
        s.cmp["iptables"],
        r"^(\[\d+:\d+\] -A PREROUTING)",
        r"[3:984] -A PREROUTING -p udp -m udp --dport 67 -j DROP\n\1",
        1,
    )


@lost("iptables.dhcp-request-rule", HYBRID, ("qbr", "qvb"))
def request_rule(s: Seen) -> None:
    s.edit(s.cmp["iptables"], rf"^.*-A neutron-openvswi-o{s.short[:10]} .*--sport 68 --dport 67.*\n", "")


@lost("iptables.dhcp-reply-rule", HYBRID, ("qbr", "tap"), "reply")
def reply_rule(s: Seen) -> None:
    s.edit(s.cmp["iptables"], rf"^.*-A neutron-openvswi-i{s.short[:10]} .*--sport 67 --dport 68.*\n", "")


@lost("iptables.forward-drop", HYBRID, ("qbr", "qvb"))
def forward_policy(s: Seen) -> None:
    s.edit(s.cmp["iptables"], r"^:FORWARD ACCEPT", ":FORWARD DROP")
    s.edit(s.cmp["iptables"], r"^.*-A FORWARD -j neutron-openvswi-FORWARD\n", "")


@lost("iptables.foreign-drop", HYBRID, ("qbr", "qvb"))
def foreign_rule(s: Seen) -> None:
    s.edit(
        s.cmp["iptables"],
        r"^(\[\d+:\d+\] -A FORWARD -j neutron-filter-top)",
        r"[3:984] -A FORWARD -p udp -m udp --dport 67 -j DROP\n\1",
    )


@lost("iptables.foreign-drop", HYBRID, ("qbr", "qvb"))
def foreign_ebtables(s: Seen) -> None:
    s.cmp["ebtables"]["out"] = f"*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n-A FORWARD -p IPv4 -i tap{s.short} -j DROP\n"


# --- the port in the switch ---


@lost("ovs.dead-vlan", HYBRID, ("qvo", "compute-br-int"))
def dead_vlan(s: Seen) -> None:
    s.set_row(s.cmp, 1, f"qvo{s.short}", tag=4095)


@lost("ovs.dead-vlan", HYBRID, ("network-br-int", "dhcp-port"))
def dead_dhcp_port(s: Seen) -> None:
    s.set_row(s.net, 1, f"tap{s.dhcp_short}", tag=4095)


@lost("ovs.wrong-tag", OVSFW, ("tap", "compute-br-int"))
def wrong_tag(s: Seen) -> None:
    s.set_row(s.cmp, 1, f"tap{s.short}", tag=99)


@lost("ovs.no-tag", HYBRID, ("qvo", "compute-br-int"))
def no_tag(s: Seen) -> None:
    s.set_row(s.cmp, 1, f"qvo{s.short}", tag=["set", []])


@lost("ovs.trunk-mode", HYBRID, ("qvo", "compute-br-int"))
def trunk(s: Seen) -> None:
    s.set_row(s.cmp, 1, f"qvo{s.short}", tag=["set", []], vlan_mode="trunk", trunks=["set", [7, 8]])


@lost("ovs.no-device", HYBRID, ("qvo", "compute-br-int"))
def no_device(s: Seen) -> None:
    s.set_row(s.cmp, 2, f"qvo{s.short}", ofport=-1, error="could not open network device")


@lost("ovs.wrong-iface-id", HYBRID, ("qvo", "compute-br-int"))
def wrong_id(s: Seen) -> None:
    s.set_option(s.cmp, f"qvo{s.short}", "external_ids", "iface-id", "00000000-0000-0000-0000-000000000000")


@lost("ovs.no-forward", HYBRID, ("compute-br-int", "compute-br-tun"))
def no_forward(s: Seen) -> None:
    s.edit(s.cmp["ports"]["br-int"], r"(\(patch-tun\).*\n\s+config:\s+)0", r"\1NO_FWD")


@lost("ovs.port-down", HYBRID, ("qvo", "compute-br-int"))
def port_down(s: Seen) -> None:
    s.edit(s.cmp["ports"]["br-int"], rf"(\(qvo{s.short}\).*\n\s+config:\s+)0", r"\1PORT_DOWN")


@lost("ovs.mirror-output", HYBRID, ("qvo", "compute-br-int"))
def mirror(s: Seen) -> None:
    ports: list[object] = []
    s.rows(s.cmp, 1, lambda row: row["name"] == f"qvo{s.short}" and not ports.append(row["_uuid"]))  # type: ignore[func-returns-value]
    documents = s.cmp["ovs"]["out"].strip().split("\n")
    table = json.loads(documents[3])
    made = {"_uuid": ["uuid", "m"], "name": "m0", "output_port": ports[0], "select_all": True}
    table["data"] = [[made.get(h, ["set", []]) for h in table["headings"]]]
    documents[3] = json.dumps(table)
    s.cmp["ovs"]["out"] = "\n".join(documents)


@lost("ovs.vswitchd-down", HYBRID, ("qvo", "compute-br-int"))
def daemon_down(s: Seen) -> None:
    s.cmp["daemon"].update(
        rc=1, out="", err="ovs-appctl: cannot connect to /run/openvswitch/ovs-vswitchd.1.ctl", processes=[]
    )
    s.cmp.update(flows={}, ports={}, fdb={}, traces={})


@lost("ovs.flows-missing", HYBRID, ("qvo", "compute-br-int"))
def flows_gone(s: Seen) -> None:
    s.cmp["flows"]["br-int"]["out"] = "OFPST_FLOW reply (OF1.3) (xid=0x2):\n"
    s.traced(s.cmp, "compute-request", unmatched("br-int", 0))


@lost("ovs.normal-flow-missing", HYBRID, ("qvo", "compute-br-int"))
def normal_gone(s: Seen) -> None:
    s.flow_gone(s.cmp, "br-int", "table=60,.*NORMAL")
    s.traced(s.cmp, "compute-request", unmatched("br-int", 60))


@lost("ovs.patch-missing", HYBRID, ("compute-br-int", "compute-br-tun"))
def patch_gone(s: Seen) -> None:
    s.port_gone(s.cmp, "patch-tun")


@lost("ovs.patch-peer", HYBRID, ("compute-br-int", "compute-br-tun"))
def patch_elsewhere(s: Seen) -> None:
    s.set_option(s.cmp, "patch-tun", "options", "peer", "nowhere")


@lost("ovs.foreign-drop-flow", HYBRID, ("qvo", "compute-br-int"))
def foreign_flow(s: Seen) -> None:
    s.traced(s.cmp, "compute-request", dropped("br-int", 0, "udp,tp_dst=67", 60000, "0x0"))


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


@lost("ovs.flows-missing", HYBRID, ("qvo", "compute-br-int"))
def empty_table(s: Seen) -> None:
    s.flow_gone(s.cmp, "br-int", "table=59,")
    s.traced(s.cmp, "compute-request", unmatched("br-int", 59))


# --- the firewall inside of the switch ---


@lost("ovs.stale-ofport", OVSFW, ("compute-br-int", "tap"), "reply")
def renumbered_reply_only(s: Seen) -> None:
    s.set_row(s.cmp, 2, f"tap{s.short}", ofport=77)
    s.traced(s.cmp, "compute-reply", dropped("br-int", 82))


@lost("ovs.stale-ofport", OVSFW, ("tap", "compute-br-int"))
def renumbered(s: Seen) -> None:
    s.set_row(s.cmp, 2, f"tap{s.short}", ofport=77)
    s.traced(s.cmp, "compute-request", dropped("br-int", 71))


@lost("ovsfw.request-flow", OVSFW, ("tap", "compute-br-int"))
def no_request_flow(s: Seen) -> None:
    s.flow_gone(s.cmp, "br-int", f"table=71,.*in_port={s.ofport(s.cmp, f'tap{s.short}')},.*tp_src=68,tp_dst=67")
    s.traced(s.cmp, "compute-request", dropped("br-int", 93))


@lost("ovsfw.mac-not-allowed", OVSFW, ("tap", "compute-br-int"))
def other_mac(s: Seen) -> None:
    s.edit(s.cmp["flows"]["br-int"], rf"(table=71,.*dl_src=){s.port['mac_address']}", r"\1fa:16:3e:00:00:01")
    s.traced(s.cmp, "compute-request", dropped("br-int", 93))


@lost("ovsfw.reply-flow", OVSFW, ("compute-br-int", "tap"), "reply")
def no_reply_flow(s: Seen) -> None:
    s.flow_gone(s.cmp, "br-int", "table=81,.*udp,reg5=.*tp_dst=68")
    s.traced(s.cmp, "compute-reply", dropped("br-int", 82))


@lost("ovsfw.base-flow", OVSFW, ("tap", "compute-br-int"))
def no_base_flow(s: Seen) -> None:
    s.flow_gone(s.cmp, "br-int", "table=94,.*NORMAL")
    s.traced(s.cmp, "compute-request", unmatched("br-int", 94))


@lost("ovsfw.base-flow", OVSFW, ("tap", "compute-br-int"))
def no_flow_in_table_73(s: Seen) -> None:
    s.flow_gone(s.cmp, "br-int", f"table=73,.*priority=80,reg5={s.ofport(s.cmp, f'tap{s.short}'):#x} ")
    s.traced(s.cmp, "compute-request", dropped("br-int", 73))


# --- tunnels ---


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


@lost("tunnel.learned-wrong", HYBRID, ("network-nic", "compute-nic"), "reply")
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


@lost("underlay.link-down", HYBRID, ("compute-br-tun", "compute-nic"))
def nic_down(s: Seen) -> None:
    s.link_down(s.cmp, "phy0")


@lost("underlay.mtu", HYBRID, ("compute-br-tun", "compute-nic"))
def nic_mtu(s: Seen) -> None:
    s.link(s.cmp, "phy0", mtu=300)


@lost("underlay.no-address", HYBRID, ("network-nic", "network-br-tun"))
def no_tunnel_address(s: Seen) -> None:
    s.edit(s.net["addr"], r"10\.98\.0\.11", "10.98.0.99")


@lost("underlay.no-route", HYBRID, ("compute-br-tun", "compute-nic"))
def no_route(s: Seen) -> None:
    s.cmp["remotes"]["10.98.0.11"]["route"].update(rc=2, out="", err="RTNETLINK answers: Network is unreachable")


@lost("underlay.no-route", HYBRID, ("compute-br-tun", "compute-nic"))
def detour(s: Seen) -> None:
    s.cmp["remotes"]["10.98.0.11"]["route"]["out"] = '[{"dst":"10.98.0.11","gateway":"10.99.0.1","dev":"mgmt"}]'
    s.traced(s.cmp, "compute-request", dropped("br-tun", 22, "dl_vlan=1", 1))


@lost("underlay.blocked", HYBRID, ("network-nic", "network-br-tun"))
def tunnel_blocked(s: Seen) -> None:
    key = next(k for k in s.net["traces"] if k.startswith("outer/"))
    s.net["traces"][key]["out"] = dropped("br-phy", 0, "udp,tp_dst=4789", 50)


@lost("underlay.blocked", HYBRID, ("network-nic", "network-br-tun"))
def tunnel_blocked_by_iptables(s: Seen) -> None:
    for key in [k for k in s.net["traces"] if k.startswith("outer/")]:
        s.net["traces"][key].update(rc=2, out="", err="the address is not on a bridge")
    s.net["iptables"]["out"] = (
        "*filter\n:INPUT ACCEPT [0:0]\n[9:900] -A INPUT -p udp -m udp --dport 4789 -j DROP\nCOMMIT\n"
    )


# --- VLAN ---


@lost("vlan.rewrite-flow", TWO_PORTS, ("compute-bridge", "compute-nic"))
def no_rewrite(s: Seen) -> None:
    s.flow_gone(s.cmp, "br-ex", "priority=4,.*dl_vlan=2 ")


@lost("vlan.wrong-id", TWO_PORTS, ("network-nic", "network-bridge"))
def wrong_vlan(s: Seen) -> None:
    s.edit(s.cmp["flows"]["br-ex"], r"(priority=4,.*dl_vlan=2 .*set_field:)4197", r"\g<1>4198")


@lost("vlan.nic-not-in-bridge", VLAN_OVSFW, ("compute-bridge", "compute-nic"))
def no_nic(s: Seen) -> None:
    s.port_gone(s.cmp, "ex0")


@lost("vlan.nic-not-in-bridge", VLAN_OVSFW, ("network-nic", "network-bridge"))
def no_nic_on_network_host(s: Seen) -> None:
    s.port_gone(s.net, "ex0")


@lost("vlan.nic-down", VLAN_OVSFW, ("compute-nic", "network-nic"))
def vlan_nic_down(s: Seen) -> None:
    s.link_down(s.net, "ex0")


@lost("vlan.not-carried", TWO_PORTS, ("compute-bridge", "compute-nic"))
def vlan_not_carried(s: Seen) -> None:
    s.set_row(s.cmp, 1, "ex0", trunks=["set", [100, 200]])


@lost("vlan.input-flow", TWO_PORTS, ("network-bridge", "network-br-int"))
def vlan_no_input(s: Seen) -> None:
    s.flow_gone(s.net, "br-int", "table=0,.*dl_vlan=101 ")


@lost("vlan.input-wrong-tag", TWO_PORTS, ("network-br-int", "dhcp-port"))
def vlan_wrong_input(s: Seen) -> None:
    s.edit(s.net["flows"]["br-int"], r"(table=0,.*dl_vlan=101 .*set_field:)4102", r"\g<1>4109")


@lost("vlan.patch-peer", TWO_PORTS, ("compute-br-int", "compute-bridge"))
def vlan_patch(s: Seen) -> None:
    s.set_option(s.cmp, "int-br-ex", "options", "peer", "nowhere")


# --- the DHCP server ---


@lost("dhcp.namespace-missing", HYBRID, ("network-br-int", "dhcp-port"))
def no_namespace(s: Seen) -> None:
    s.dhcp.update(namespace=None, processes=[], inside={})


@lost("dhcp.port-missing", HYBRID, ("network-br-int", "dhcp-port"))
def dhcp_port_unplugged(s: Seen) -> None:
    s.port_gone(s.net, f"tap{s.dhcp_short}")


@lost("dhcp.port-down", HYBRID, ("network-br-int", "dhcp-port"))
def dhcp_port_down(s: Seen) -> None:
    s.link_down(s.dhcp["inside"], f"tap{s.dhcp_short}")


@lost("dhcp.no-address", HYBRID, ("dhcp-port", "dhcp-server"))
def dhcp_no_address(s: Seen) -> None:
    s.edit(s.dhcp["inside"]["addr"], r"10\.1\.0\.2\b", "10.1.0.222")


@lost("dhcp.server-down", HYBRID, ("dhcp-port", "dhcp-server"))
def no_dnsmasq(s: Seen) -> None:
    s.dhcp["processes"] = []


@lost("dhcp.server-down", HYBRID, ("dhcp-port", "dhcp-server"))
def dnsmasq_stopped(s: Seen) -> None:
    s.dhcp["processes"][0]["state"] = "T"


@lost("dhcp.host-entry-missing", HYBRID, ("dhcp-port", "dhcp-server"))
def no_entry(s: Seen) -> None:
    s.dhcp["files"]["host"] = "fa:16:3e:00:00:09,host-10-1-0-9,10.1.0.9\n"


@lost("dhcp.host-entry-wrong", HYBRID, ("dhcp-port", "dhcp-server"))
def wrong_entry(s: Seen) -> None:
    s.dhcp["files"]["host"] = s.dhcp["files"]["host"].replace(s.port["mac_address"], "fa:16:3e:99:99:99")


@lost("dhcp.blocked", HYBRID, ("dhcp-port", "dhcp-server"))
def dhcp_filtered(s: Seen) -> None:
    s.dhcp["inside"]["iptables"]["out"] = (
        "*filter\n:INPUT ACCEPT [0:0]\n[1:328] -A INPUT -p udp -m udp --dport 67 -j DROP\nCOMMIT\n"
    )


@lost("dhcp.wrong-range", HYBRID, ("dhcp-port", "dhcp-server"))
def wrong_range(s: Seen) -> None:
    argv = s.dhcp["processes"][0]["argv"]
    s.dhcp["processes"][0]["argv"] = [w.replace(",10.1.0.0,", ",10.77.0.0,") for w in argv]


@lost("dhcp.wrong-mac", HYBRID, ("network-br-int", "dhcp-port"))
def dhcp_mac(s: Seen) -> None:
    s.edit(s.dhcp["inside"]["link"], s.dhcp_port["mac_address"], "fa:16:3e:00:00:77")


@lost("ovs.bridge-missing", TWO_PORTS, ("compute-br-int", "compute-bridge"))
def no_provider_bridge(s: Seen) -> None:
    s.set_row(s.cmp, 0, "br-ex", name="br-other")


@lost("ovs.dropped", HYBRID, ("qvo", "compute-br-int"))
def unexplained(s: Seen) -> None:
    s.traced(s.cmp, "compute-request", dropped("br-int", 24))


# --- it works, but ---


@found("security.bridge-nf-off", HYBRID)
def bridge_nf(s: Seen) -> None:
    s.cmp["proc"]["net/bridge/bridge-nf-call-iptables"] = "0"


@found("security.filter-bypassed", HYBRID)
def bypassed(s: Seen) -> None:
    s.edit(s.cmp["iptables"], r"^.*-A FORWARD -j neutron-openvswi-FORWARD\n", "")


@found("security.port-security-off", OVSFW)
def unprotected(s: Seen) -> None:
    s.port["port_security_enabled"] = False


@found("l2.agent-dead", HYBRID)
def dead_agent(s: Seen) -> None:
    _kill_agent(s, s.compute, "Open vSwitch agent")


@found("dhcp.agent-dead", HYBRID)
def dead_dhcp_agent(s: Seen) -> None:
    _kill_agent(s, s.net_name, "DHCP agent")


@found("network.duplicate-segment", TWO_PORTS)
def two_networks(s: Seen) -> None:
    s.api.same_segment[s.network["id"]] = [{"id": "other", "name": "other"}]


@found("ovs.duplicate-mac", HYBRID)
def two_ports(s: Seen) -> None:
    s.api.same_mac[s.port["id"]] = [dict(s.port, id="other")]


@found("port.mtu-risk", HYBRID)
def low_mtu(s: Seen) -> None:
    s.link(s.cmp, f"tap{s.short}", mtu=1400)


@found("ovs.policing", HYBRID)
def policed(s: Seen) -> None:
    s.set_row(s.cmp, 2, f"qvo{s.short}", ingress_policing_rate=1000)


@found("dhcp.rogue", HYBRID)
def second_server(s: Seen) -> None:
    s.dhcp["others"] = [{"pid": 7, "argv": ["dnsmasq", "--dhcp-range=10.1.0.100,10.1.0.200"], "state": "S", "netns": 1}]


@found("dhcp.single-agent", HYBRID)
def one_agent(s: Seen) -> None:
    assert s.api.agents is not None
    agent = next(a for a in s.api.agents if a["agent_type"] == "DHCP agent")
    s.api.agents.append(dict(agent, host="net2"))


@found("conntrack.nearly-full", HYBRID)
def many_connections(s: Seen) -> None:
    s.cmp["proc"].update({"net/netfilter/nf_conntrack_count": "900", "net/netfilter/nf_conntrack_max": "1000"})


@found("conntrack.full", HYBRID)
def all_connections(s: Seen) -> None:
    s.cmp["proc"].update({"net/netfilter/nf_conntrack_count": "1000", "net/netfilter/nf_conntrack_max": "1000"})


@pytest.mark.parametrize("recorded", ALL)
def test_healthy(recorded: str) -> None:
    report = Seen(recorded).report()
    assert (report.verdict, report.cause, report.findings) == (Verdict.OK, None, ())
    assert {(h.request.value, h.reply.value) for h in report.hops} == {("seen", "seen")}


@pytest.mark.parametrize(
    ("recorded", "fault", "code", "between", "direction"),
    [c[1:] for c in CASES],
    ids=[f"{c[3]}-{c[0]}" for c in CASES],
)
def test_cause(recorded: str, fault: Fault, code: str, between: tuple[str, str], direction: str) -> None:
    seen = Seen(recorded)
    fault(seen)
    report = seen.report()
    assert report.cause is not None
    assert (report.cause.code, report.verdict) == (code, Verdict.LOST)
    assert (report.lost_between, report.direction) == (between, direction)
    assert report.cause.message
    assert report.cause.remedy
    assert report.cause.object


@pytest.mark.parametrize(
    ("recorded", "fault", "code"), [c[1:] for c in FINDINGS], ids=[f"{c[3]}-{c[0]}" for c in FINDINGS]
)
def test_finding(recorded: str, fault: Fault, code: str) -> None:
    seen = Seen(recorded)
    fault(seen)
    report = seen.report()
    assert report.verdict is Verdict.OK
    assert code in {f.code for f in report.findings}


def test_a_host_that_was_not_reached_is_unknown() -> None:
    seen = Seen(HYBRID)
    seen.bundle.hosts[seen.compute] = HostAnswer(fault="unreachable", message="no route to host")
    report = seen.report()
    assert report.verdict is Verdict.UNKNOWN
    assert report.cause is not None
    assert report.cause.code == "host.unreachable"
    states = {h.name: h.request.value for h in report.hops}
    assert states["tap"] == "unknown"
    assert states["dhcp-server"] == "seen"


def test_what_is_proved_elsewhere_counts_though_a_host_was_not_reached() -> None:
    seen = Seen(HYBRID)
    seen.bundle.hosts[seen.compute] = HostAnswer(fault="unreachable", message="no route to host")
    seen.dhcp["processes"] = []
    report = seen.report()
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.LOST, "dhcp.server-down")


def test_without_root_nothing_is_lost() -> None:
    seen = Seen(HYBRID)
    for answers in (seen.cmp, seen.net):
        answers["uid"] = 1000
        answers["ovs"].update(rc=1, out="", err="permission denied")
        answers.update(flows={}, ports={}, fdb={}, traces={})
        answers["iptables"].update(rc=4, out="", err="you must be root")
    report = seen.report()
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.UNKNOWN, "host.privilege")


def test_a_database_that_does_not_answer_is_unknown() -> None:
    seen = Seen(HYBRID)
    seen.cmp["ovs"].update(rc=1, out="", err="ovs-vsctl: unix:/run/openvswitch/db.sock: database connection failed")
    seen.cmp.update(flows={}, ports={}, fdb={}, traces={})
    report = seen.report()
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.UNKNOWN, "ovs.db-down")


def test_a_daemon_that_runs_and_is_late_is_unknown() -> None:
    seen = Seen(HYBRID)
    seen.cmp["daemon"].update(rc=14, out="", err="fatal-signal: terminating with signal 14 (Alarm clock)")
    seen.cmp["daemon"]["processes"] = [{"pid": 7, "state": "R"}]
    seen.cmp.update(flows={}, ports={}, fdb={}, traces={})
    report = seen.report()
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.UNKNOWN, "ovs.vswitchd-down")
    seen.cmp["daemon"]["processes"] = [{"pid": 7, "state": "T"}]
    assert seen.report().verdict is Verdict.LOST


@pytest.mark.parametrize("section", ["link", "iptables"])
def test_what_could_not_be_read_is_unknown(section: str) -> None:
    seen = Seen(HYBRID)
    seen.cmp[section].update(rc=124, out="", err="no answer in 8 s")
    assert seen.report().verdict is Verdict.UNKNOWN


def test_sr_iov_is_unknown() -> None:
    seen = Seen(HYBRID)
    seen.port.update({"binding:vnic_type": "direct", "binding:vif_type": "hw_veb"})
    report = seen.report()
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.UNKNOWN, "port.unsupported")


def test_traces_that_could_not_be_made_are_unknown() -> None:
    seen = Seen(HYBRID)
    for answers in (seen.cmp, seen.net):
        for answer in answers["traces"].values():
            answer.update(rc=124, out="", err="no answer in 8 s")
    assert seen.report().verdict is Verdict.UNKNOWN


def test_an_account_that_may_not_see_hosts_is_told_so() -> None:
    seen = Seen(HYBRID)
    seen.api.server.pop("OS-EXT-SRV-ATTR:host")
    seen.api.agents = None
    for port in (seen.port, seen.dhcp_port):
        for key in [k for k in port if k.startswith("binding:")]:
            port.pop(key)
    for key in [k for k in seen.network if k.startswith("provider:")]:
        seen.network.pop(key)
    report = seen.report()
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.UNKNOWN, "host.unreachable")


def _second_dhcp_server(seen: Seen, answer: HostAnswer) -> None:
    seen.api.dhcp_ports[seen.network["id"]].append(dict(seen.dhcp_port, **{"id": "second", "binding:host_id": "net2"}))
    seen.bundle.hosts["net2"] = answer


def test_one_of_two_dhcp_servers_is_enough_and_the_other_is_told() -> None:
    seen = Seen(HYBRID)
    _second_dhcp_server(seen, HostAnswer(json.loads(json.dumps(seen.net))))
    report = seen.report()
    assert report.verdict is Verdict.DEGRADED
    assert report.findings
    assert report.cause is None


def test_a_second_dhcp_server_that_could_not_be_looked_at_is_told() -> None:
    seen = Seen(HYBRID)
    _second_dhcp_server(seen, HostAnswer(fault="unreachable", message="no route"))
    report = seen.report()
    assert report.verdict is Verdict.OK
    assert "host.unreachable" in [f.code for f in report.findings]


def test_server_and_dhcp_server_on_one_host() -> None:
    seen = Seen(OVSFW)
    # The two hosts' answers as one host's: both ports in one switch, the traces between them.
    seen.dhcp_port["binding:host_id"] = seen.compute
    seen.cmp["dhcp"] = seen.net["dhcp"]
    key = f"{seen.short}/{seen.dhcp_short}"
    for name in ("compute-request", "compute-reply"):
        device = f"tap{seen.dhcp_short}" if name.endswith("request") else f"tap{seen.short}"
        trace = f'Flow: udp\n\nbridge("br-int")\n--------\n 0. priority 0, cookie 0x1\n    NORMAL\n\nDatapath actions: {device}\n'
        seen.cmp["traces"][f"{key}/{name}"] = {"rc": 0, "out": trace, "err": "", "bridge": "br-int", "in_port": device}
    seen.set_row(
        seen.cmp, 1, f"tap{seen.short}", other_config=["map", [["tag", "1"], ["net_uuid", seen.network["id"]]]]
    )
    seen.set_row(seen.cmp, 1, "patch-tun", name=f"tap{seen.dhcp_short}", tag=1, other_config=["map", [["tag", "1"]]])
    ids = ["map", [["iface-id", seen.dhcp_port["id"]]]]
    seen.set_row(seen.cmp, 2, "patch-tun", name=f"tap{seen.dhcp_short}", type="internal", external_ids=ids)
    report = seen.report()
    assert (report.verdict, report.cause) == (Verdict.OK, None)
    seen.cmp["dhcp"][seen.network["id"]]["processes"] = []
    assert seen.report().lost_between == ("dhcp-port", "dhcp-server")


def test_each_port_has_its_own_verdict() -> None:
    from blue_wizard.diagnose.judge import judge

    seen = Seen(TWO_PORTS)
    second = seen.api.ports[1]["id"][:11]
    seen.link_down(seen.cmp, f"qvb{second}")
    report = judge(seen.bundle)
    assert [p.verdict for p in report.ports] == [Verdict.OK, Verdict.LOST]
    assert not report.healthy
