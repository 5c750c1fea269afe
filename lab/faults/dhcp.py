"""The DHCP server's side: its port in br-int, its namespace, dnsmasq and what dnsmasq knows.

Neutron's DHCP agent starts a dead dnsmasq again when it looks (every 60 s), and writes the host file at any change of
the network's ports; it is held where either would undo the fault.
"""

from __future__ import annotations

import shlex

from lab.faults import Change, fault
from lab.faults.changes import (
    address_gone,
    calls,
    column,
    dnsmasq,
    drop_udp,
    file_changed,
    flow_added,
    flows_gone,
    held,
    link_down,
    rule_added,
    stopped,
)
from lab.faults.target import Target

ANY = ("hybrid", "ovsfw", "vlan-hybrid", "vlan-ovsfw")
VLAN = ("vlan-hybrid", "vlan-ovsfw")
HELD = "the DHCP agent is held: it would start dnsmasq again, within a minute"
AGENT = "neutron-dhcp"


def _tag(t: Target, **values: str) -> list[Change]:
    return [held(t.net), column(t, t.net, "Port", t.dhcp_tap, **values)]


@fault(
    {"dhcp-port-wrong-tag": ANY, "vlan-dhcp-port-wrong-tag": VLAN},
    code="ovs.wrong-tag",
    hop="network-br-int",
    segment="network-ovs",
    object="{dhcp_tap}",
)
def _(t: Target) -> list[Change]:
    return _tag(t, tag="98")


@fault("dhcp-port-dead", on=ANY, code="ovs.dead-vlan", hop="network-br-int", segment="network-ovs", object="{dhcp_tap}")
def _(t: Target) -> list[Change]:
    return _tag(t, tag="4095")


@fault(
    "dhcp-port-no-tag",
    on=("ovsfw", "hybrid"),
    code="ovs.no-tag",
    hop="network-br-int",
    segment="network-ovs",
    object="{dhcp_tap}",
    note="a port without a tag is in every VLAN: the frame comes to it with its tag, which nobody there takes off",
)
def _(t: Target) -> list[Change]:
    return _tag(t, tag="[]")


@fault("dhcp-port-down", on=ANY, code="dhcp.port-down", hop="dhcp-port", segment="network-ovs", object="{dhcp_tap}")
def _(t: Target) -> list[Change]:
    return [stopped(t.net, AGENT), link_down(t, t.net, t.dhcp_tap, t.namespace)]


@fault("dhcp-no-address", on=ANY, code="dhcp.no-address", hop="dhcp-port", segment="dhcp", object="{dhcp_tap}")
def _(t: Target) -> list[Change]:
    return [stopped(t.net, AGENT), address_gone(t, t.net, t.dhcp_tap, r"\d", t.namespace)]


def _killed(t: Target) -> list[Change]:
    return [stopped(t.net, AGENT), dnsmasq(t, lambda file, _: f"kill -9 $(cat {file})")]


@fault(
    {"dnsmasq-dead": ANY, "vlan-dnsmasq-dead": VLAN},
    code="dhcp.server-down",
    hop="dhcp-server",
    segment="dhcp",
    object="dnsmasq",
    note=HELD,
)
def _(t: Target) -> list[Change]:
    return _killed(t)


@fault(
    "dnsmasq-hung",
    on=ANY,
    code="dhcp.server-down",
    hop="dhcp-server",
    segment="dhcp",
    object="dnsmasq",
)
def _(t: Target) -> list[Change]:
    pid = f"$(cat {t.dhcp_folder}/pid)"
    return [Change(t.net, f"kill -STOP {pid}", f"kill -CONT {pid}")]


def _hosts(t: Target, script: str) -> Change:
    folder = t.dhcp_folder
    return file_changed(t, t.net, f"{folder}/host", f"cd {folder}\n{script}", f"kill -HUP $(cat {folder}/pid)")


@fault(
    "host-entry-missing", on=ANY, code="dhcp.host-entry-missing", hop="dhcp-server", segment="dhcp", object="{mac}|host"
)
def _(t: Target) -> list[Change]:
    return [stopped(t.net, AGENT), _hosts(t, f'new=$(grep -v {t.mac} host || true)\necho "$new" > host')]


@fault(
    "host-entry-wrong-mac",
    on=ANY,
    code="dhcp.host-entry-wrong",
    hop="dhcp-server",
    segment="dhcp",
    object="{mac}|{address}|host",
)
def _(t: Target) -> list[Change]:
    return [stopped(t.net, AGENT), _hosts(t, f'new=$(sed -e s/{t.mac}/fa:16:3e:99:99:99/ host)\necho "$new" > host')]


@fault(
    "host-file-empty", on=VLAN, code="dhcp.host-entry-missing", hop="dhcp-server", segment="dhcp", object="{mac}|host"
)
def _(t: Target) -> list[Change]:
    return [stopped(t.net, AGENT), _hosts(t, ": > host")]


@fault(
    "wrong-range",
    on=ANY,
    code="dhcp.wrong-range",
    hop="dhcp-server",
    segment="dhcp",
    object="dnsmasq|{subnet}|range",
    note=HELD,
)
def _(t: Target) -> list[Change]:
    def do(file: str, argv: list[str]) -> str:
        wrong = [
            "--dhcp-range=set:somewhere,10.222.0.0,static,255.255.255.0,86400s" if a.startswith("--dhcp-range") else a
            for a in argv
        ]
        return f"kill $(cat {file})\nsleep 1\nip netns exec {t.namespace} {shlex.join(wrong)}"

    return [stopped(t.net, AGENT), dnsmasq(t, do, "10.222.0.0")]


@fault("dhcp-blocked", on=ANY, code="dhcp.blocked", hop="dhcp-server", segment="dhcp", object="INPUT|{namespace}")
def _(t: Target) -> list[Change]:
    return [rule_added(t.net, "INPUT", "-p udp --dport 67 -j DROP", netns=t.namespace)]


@fault(
    "dhcp-blocked-reply",
    on=ANY,
    code="dhcp.blocked",
    hop="dhcp-server",
    segment="dhcp",
    direction="reply",
    object="OUTPUT|{namespace}",
)
def _(t: Target) -> list[Change]:
    return [rule_added(t.net, "OUTPUT", "-p udp --sport 67 -j DROP", netns=t.namespace)]


@fault(
    "dhcp-port-filter-reply",
    on=ANY,
    code="tap.tc-filter",
    hop="dhcp-port",
    segment="dhcp",
    direction="reply",
    object="{dhcp_tap}",
    also=("dhcp.blocked",),
)
def _(t: Target) -> list[Change]:
    return [drop_udp(t, t.net, t.dhcp_tap, "egress", 68, t.namespace)]


@fault(
    "network-node-foreign-flow",
    on=ANY,
    code="ovs.foreign-drop-flow",
    hop="network-br-int",
    segment="network-ovs",
    object="br-int",
)
def _(t: Target) -> list[Change]:
    return [flow_added(t.net, "br-int", "table=60,priority=40000,udp,tp_dst=67")]


@fault(
    "network-node-foreign-flow-reply",
    on=ANY,
    code="ovs.foreign-drop-flow",
    hop="network-br-int",
    segment="network-ovs",
    direction="reply",
    object="br-int",
)
def _(t: Target) -> list[Change]:
    return [flow_added(t.net, "br-int", f"table=0,priority=40000,in_port={t.ofport(t.net, t.dhcp_tap)},udp,tp_dst=68")]


@fault(
    "network-node-br-int-empty",
    on=ANY,
    code="ovs.flows-missing",
    hop="network-br-int",
    segment="network-ovs",
    object="br-int",
    note="the agent is held: without the canary of table 23 it makes all rules again within seconds",
)
def _(t: Target) -> list[Change]:
    return [held(t.net), flows_gone(t, t.net, "br-int")]


def _rebuilt(t: Target) -> Change:
    """Undoing: the network leaves its DHCP agent and comes back, which builds all anew for the same Neutron port."""
    pair: list[object] = [t.dhcp_agent, t.network]
    undo = calls(
        ("network", "remove_dhcp_agent_from_network", pair, {}), ("network", "add_dhcp_agent_to_network", pair, {})
    )
    alive = (
        f"ip netns exec {t.namespace} ss -lunp | grep -q ':67 ' && ! ovs-vsctl --columns=tag list Port | grep -q 4095"
    )
    return Change("api", "[]", undo, healed=alive, settle_on=t.net)


@fault(
    "dhcp-port-missing",
    on=ANY,
    code="dhcp.port-missing",
    hop="dhcp-port",
    segment="network-ovs",
    object="{dhcp_tap}",
    also=("ovs.no-device",),
    restores="function",
    note="both agents are held, or the one would report the port down and the other make it again",
)
def _(t: Target) -> list[Change]:
    # In this order of undoing: agents go on, then the network is built anew.
    gone = Change(t.net, f"ovs-vsctl --timeout=20 del-port br-int {t.dhcp_tap}", "true")
    return [_rebuilt(t), held(t.net), stopped(t.net, AGENT), gone]


@fault(
    "dhcp-namespace-missing",
    on=VLAN,
    code="dhcp.namespace-missing",
    hop="dhcp-port",
    segment="network-ovs",
    object="{namespace}",
    also=("dhcp.port-missing",),
    restores="function",
    note="both agents are held, or they would report the port down and build all anew",
)
def _(t: Target) -> list[Change]:
    do = (
        f"for p in $(ip netns pids {t.namespace}); do kill -9 $p; done\n"
        f"ovs-vsctl --timeout=20 del-port br-int {t.dhcp_tap}\nip netns del {t.namespace}"
    )
    return [_rebuilt(t), held(t.net), stopped(t.net, AGENT), Change(t.net, do, "true")]
