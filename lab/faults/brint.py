"""Open vSwitch on the server's host: the port, its tag, br-int's rules, the patch to the tunnels, the daemons.

Neutron's agent looks every two seconds whether table 23 still has its canary, and does everything again when not; it
wires a port again when its interface changes. So it is held where a whole table, a port or an interface is touched.
"""

from __future__ import annotations

from dataclasses import replace

from lab.faults import Change, fault
from lab.faults.changes import column, flow_added, flows_gone, held, option, port_flag, port_gone, stopped
from lab.faults.target import Target

ANY = ("hybrid", "ovsfw", "vlan-hybrid", "vlan-ovsfw")
OVSFW = ("ovsfw", "vlan-ovsfw")
HELD = "the agent is held: it gives a changed port its tag back at the next event"


def _tags(t: Target, **values: str) -> list[Change]:
    return [held(t.host), column(t, t.host, "Port", t.edge, **values)]


@fault(
    {"port-dead": ANY, "ovsfw-port-dead": OVSFW},
    code="ovs.dead-vlan",
    hop="compute-br-int",
    segment="compute-ovs",
    object="{edge}",
    note=HELD,
)
def _(t: Target) -> list[Change]:
    return _tags(t, tag="4095")


@fault(
    "port-never-wired",
    on=ANY,
    code="ovs.dead-vlan",
    hop="compute-br-int",
    segment="compute-ovs",
    object="{edge}",
    note=HELD,
)
def _(t: Target) -> list[Change]:
    # As Open vSwitch's agent leaves every new port until it has wired it.
    return _tags(t, tag="4095", vlan_mode="trunk", trunks="[4095]")


@fault(
    {"port-wrong-tag": ANY, "ovsfw-port-wrong-tag": OVSFW, "vlan-port-wrong-tag": ("vlan-hybrid",)},
    code="ovs.wrong-tag",
    hop="compute-br-int",
    segment="compute-ovs",
    object="{edge}",
    note=HELD,
)
def _(t: Target) -> list[Change]:
    return _tags(t, tag="99")


@fault(
    {"port-no-tag": ANY, "vlan-ovsfw-port-no-tag": ("vlan-ovsfw",)},
    code="ovs.no-tag",
    hop="compute-br-int",
    segment="compute-ovs",
    object="{edge}",
    note=HELD,
)
def _(t: Target) -> list[Change]:
    return _tags(t, tag="[]")


@fault(
    "port-trunk-mode",
    on=ANY,
    code="ovs.trunk-mode",
    hop="compute-br-int",
    segment="compute-ovs",
    object="{edge}",
    note=HELD,
)
def _(t: Target) -> list[Change]:
    return _tags(t, vlan_mode="trunk", trunks="[99]")


@fault(
    "port-no-receive",
    on=("hybrid", "vlan-hybrid"),
    code="ovs.no-forward",
    hop="compute-br-int",
    segment="compute-ovs",
    object="{qvo}",
)
def _(t: Target) -> list[Change]:
    return [port_flag(t.host, "br-int", t.qvo, "no-receive", "receive")]


@fault(
    "patch-no-forward",
    on=("hybrid", "ovsfw"),
    code="ovs.no-forward",
    hop="compute-br-int",
    segment="compute-ovs",
    object="patch-tun",
)
def _(t: Target) -> list[Change]:
    return [port_flag(t.host, "br-int", "patch-tun", "no-forward", "forward")]


@fault(
    "patch-no-flood",
    on=("hybrid", "ovsfw"),
    code="ovs.no-forward",
    hop="compute-br-int",
    segment="compute-ovs",
    object="patch-tun",
    note="only what goes to all is lost: a request, and no reply",
)
def _(t: Target) -> list[Change]:
    return [port_flag(t.host, "br-int", "patch-tun", "no-flood", "flood")]


@fault(
    "normal-flow-missing",
    on=("hybrid", "vlan-hybrid"),
    code="ovs.normal-flow-missing",
    hop="compute-br-int",
    segment="compute-ovs",
    object="br-int",
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.host, "br-int", "table=60")]


@fault(
    "table-59-missing",
    on=("hybrid", "vlan-hybrid"),
    code="ovs.flows-missing",
    hop="compute-br-int",
    segment="compute-ovs",
    object="br-int",
    also=("ovs.normal-flow-missing",),
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.host, "br-int", "table=59")]


@fault(
    {"br-int-empty": ANY, "ovsfw-br-int-empty": OVSFW},
    code="ovs.flows-missing",
    hop="compute-br-int",
    segment="compute-ovs",
    object="br-int",
    note="the agent is held: without the canary of table 23 it makes all rules again within seconds",
)
def _(t: Target) -> list[Change]:
    return [held(t.host), flows_gone(t, t.host, "br-int")]


@fault(
    "br-tun-empty",
    on=("hybrid", "ovsfw"),
    code="ovs.flows-missing",
    hop="compute-br-tun",
    segment="compute-ovs",
    object="br-tun",
    also=("tunnel.flood-flow",),
    note="the canary is in br-int: no agent notices",
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.host, "br-tun")]


@fault(
    "patch-peer-wrong",
    on=("hybrid", "ovsfw"),
    code="ovs.patch-peer",
    hop="compute-br-int",
    segment="compute-ovs",
    object="patch-tun",
    note="the agent is held: a patch that changes is an event",
)
def _(t: Target) -> list[Change]:
    return [held(t.host), option(t, t.host, "patch-tun", "peer", "nowhere")]


@fault(
    "patch-missing",
    on=("hybrid", "ovsfw"),
    code="ovs.patch-missing",
    hop="compute-br-int",
    segment="compute-ovs",
    object="patch-tun",
    note="the agent is held: a patch that changes is an event",
)
def _(t: Target) -> list[Change]:
    return [held(t.host), port_gone(t, t.host, "br-int", "patch-tun")]


@fault(
    "foreign-flow-request",
    on=ANY,
    code="ovs.foreign-drop-flow",
    hop="compute-br-int",
    segment="compute-ovs",
    object="br-int",
)
def _(t: Target) -> list[Change]:
    return [flow_added(t.host, "br-int", "table=0,priority=40000,udp,tp_src=68,tp_dst=67")]


@fault(
    "foreign-flow-reply",
    on=ANY,
    code="ovs.foreign-drop-flow",
    hop="compute-br-int",
    segment="compute-ovs",
    direction="reply",
    object="br-int",
)
def _(t: Target) -> list[Change]:
    return [flow_added(t.host, "br-int", "table=0,priority=40000,udp,tp_src=67,tp_dst=68")]


@fault(
    "port-is-mirror-output",
    on=("hybrid", "vlan-hybrid"),
    code="ovs.mirror-output",
    hop="compute-br-int",
    segment="compute-ovs",
    object="{qvo}",
)
def _(t: Target) -> list[Change]:
    v = "ovs-vsctl --timeout=20"
    do = f"{v} -- --id=@p get Port {t.qvo} -- --id=@m create Mirror name=somebody output-port=@p -- add Bridge br-int mirrors @m"
    undo = f'm=$({v} --if-exists get Mirror somebody _uuid); [ -z "$m" ] || {v} remove Bridge br-int mirrors $m'
    return [Change(t.host, do, undo)]


@fault(
    "vswitchd-hung",
    on=("hybrid", "ovsfw"),
    code="ovs.vswitchd-down",
    hop="compute-br-int",
    segment="compute-ovs",
    object="ovs-vswitchd",
    note="it lives and does nothing: every question to it must end by a timeout. The agent is held, or it would ask in vain",
)
def _(t: Target) -> list[Change]:
    return [held(t.host), stopped(t.host, "vswitchd")]


@fault(
    "ovsdb-hung",
    on=("ovsfw", "hybrid"),
    code="ovs.db-down",
    hop="compute-br-int",
    verdict="unknown",
    object="ovsdb-server",
    note="packets pass; what the switch is told can't be read",
)
def _(t: Target) -> list[Change]:
    return [held(t.host), stopped(t.host, "ovsdb")]


@fault(
    "vswitchd-dead",
    on=("hybrid", "vlan-hybrid"),
    code="ovs.vswitchd-down",
    hop="compute-br-int",
    segment="compute-ovs",
    object="ovs-vswitchd",
    restores="shape",
    note="the agent is held, and started anew afterwards: one that goes on just when the switch connects may hang for good "
    "(os-ken's datapath.set_xid). A new one makes all rules again",
)
def _(t: Target) -> list[Change]:
    kill = "kill -9 $(cat /run/lab/vswitchd.pid)"
    dump = "ovs-ofctl -O OpenFlow13 dump-flows"
    healed = f"{dump} br-int table=23 | grep -q table=23 && {dump} br-tun table=22 | grep -q dl_vlan"
    agent = [Change("lab-new-agent", "", t.host), replace(held(t.host), undo="true")]
    return [*agent, Change("lab", "", t.host), Change(t.host, kill, "true", healed=healed)]
