"""VXLAN between the two hosts: br-tun's tables and ports. Its agents look at br-int's canary only, so nobody mends these."""

from __future__ import annotations

import re

from lab.faults import Change, fault
from lab.faults.changes import flow_added, flows_changed, flows_gone, held, option, port_gone, renumbered
from lab.faults.target import Target

VXLAN = ("hybrid", "ovsfw")
OVSFW = ("ovsfw",)
WRONG_VNI = 0xABCDE


def _flood(t: Target) -> str:
    return f"table=22,dl_vlan={t.local_vlan(t.host)}"


def _without_net(t: Target) -> Change:
    number = t.ofport(t.host, t.tunnel_to(t.net))
    return flows_changed(t, t.host, "br-tun", _flood(t), lambda a: re.sub(rf",output:{number}\b", "", a))


@fault(
    {"flood-flow-missing": VXLAN, "ovsfw-flood-flow-missing": OVSFW},
    code="tunnel.flood-flow",
    hop="compute-br-tun",
    segment="compute-ovs",
    object="br-tun|table 22|table=22",
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.host, "br-tun", _flood(t))]


@fault(
    "flood-not-to-network-node",
    on=VXLAN,
    code="tunnel.flood-flow",
    hop="compute-br-tun",
    segment="compute-ovs",
    object="br-tun|table 22|table=22|{to_net}",
    note="as when the population of l2 has missed a host: other hosts are reached",
)
def _(t: Target) -> list[Change]:
    return [_without_net(t)]


@fault(
    "wrong-vni",
    on=VXLAN,
    code="tunnel.wrong-vni",
    hop="compute-br-tun",
    segment="network-ovs",
    object="br-tun|table 22|table=22",
)
def _(t: Target) -> list[Change]:
    change = lambda a: re.sub(r"set_field:0x[0-9a-f]+->tun_id", f"set_field:{WRONG_VNI:#x}->tun_id", a)  # noqa: E731
    return [flows_changed(t, t.host, "br-tun", _flood(t), change)]


@fault(
    "wrong-vni-reply",
    on=VXLAN,
    code="tunnel.wrong-vni",
    hop="network-br-tun",
    segment="compute-ovs",
    direction="reply",
    object="br-tun|table 20|table=20",
)
def _(t: Target) -> list[Change]:
    change = lambda a: re.sub(r"set_field:0x[0-9a-f]+->tun_id", f"set_field:{WRONG_VNI:#x}->tun_id", a)  # noqa: E731
    return [flows_changed(t, t.net, "br-tun", f"table=20,dl_dst={t.mac}", change, "set_field")]


@fault(
    "tunnel-port-missing",
    on=VXLAN,
    code="tunnel.port-missing",
    hop="compute-br-tun",
    segment="compute-ovs",
    object="{to_net}",
    note="the agent is held: a tunnel port that changes is an event",
)
def _(t: Target) -> list[Change]:
    return [held(t.host), port_gone(t, t.host, "br-tun", t.tunnel_to(t.net))]


@fault(
    "tunnel-port-missing-network",
    on=VXLAN,
    code="tunnel.port-missing",
    hop="network-br-tun",
    segment="network-ovs",
    object="{to_host}",
    note="the agent is held: a tunnel port that changes is an event",
)
def _(t: Target) -> list[Change]:
    return [held(t.net), port_gone(t, t.net, "br-tun", t.tunnel_to(t.host))]


@fault(
    "tunnel-remote-address",
    on=VXLAN,
    code="tunnel.remote-address",
    hop="compute-br-tun",
    segment="compute-ovs",
    object="{to_net}",
)
def _(t: Target) -> list[Change]:
    return [held(t.host), option(t, t.host, t.tunnel_to(t.net), "remote_ip", "10.98.0.77")]


@fault(
    "tunnel-remote-address-network",
    on=VXLAN,
    code="tunnel.remote-address",
    hop="network-br-tun",
    segment="network-ovs",
    object="{to_host}",
    note="a tunnel port takes only what comes from its own remote address, so the request is lost here already",
)
def _(t: Target) -> list[Change]:
    return [held(t.net), option(t, t.net, t.tunnel_to(t.host), "remote_ip", "10.98.0.77")]


def _input(t: Target) -> str:
    return f"table=4,tun_id={t.segment:#x}"


def _other_vlan(actions: str) -> str:
    return re.sub(r"set_field:\d+->vlan_vid", f"set_field:{4096 + 3999}->vlan_vid", actions)


@fault(
    "tunnel-input-network",
    on=VXLAN,
    code="tunnel.input-flow",
    hop="network-br-tun",
    segment="network-ovs",
    object="br-tun|table 4|table=4",
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.net, "br-tun", _input(t))]


@fault(
    "tunnel-input-port-network",
    on=VXLAN,
    code="tunnel.input-flow",
    hop="network-br-tun",
    segment="network-ovs",
    object="br-tun|{to_host}|table 0|table=0",
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.net, "br-tun", f"table=0,in_port={t.ofport(t.net, t.tunnel_to(t.host))}")]


@fault(
    "tunnel-input-table-10",
    on=VXLAN,
    code="tunnel.input-flow",
    hop="network-br-tun",
    segment="network-ovs",
    object="br-tun|table 10|table=10",
    also=("ovs.flows-missing", "tunnel.base-flow"),
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.net, "br-tun", "table=10")]


@fault(
    "tunnel-input-wrong-tag-network",
    on=VXLAN,
    code="tunnel.input-wrong-tag",
    hop="network-br-tun",
    segment="network-ovs",
    object="br-tun|table 4|table=4",
)
def _(t: Target) -> list[Change]:
    return [flows_changed(t, t.net, "br-tun", _input(t), _other_vlan)]


@fault(
    {"tunnel-input-compute": VXLAN, "ovsfw-tunnel-input-compute": OVSFW},
    code="tunnel.input-flow",
    hop="compute-br-tun",
    segment="compute-ovs",
    direction="reply",
    object="br-tun|table 4|table=4",
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.host, "br-tun", _input(t))]


@fault(
    "tunnel-input-wrong-tag-compute",
    on=VXLAN,
    code="tunnel.input-wrong-tag",
    hop="compute-br-tun",
    segment="compute-ovs",
    direction="reply",
    object="br-tun|table 4|table=4",
)
def _(t: Target) -> list[Change]:
    return [flows_changed(t, t.host, "br-tun", _input(t), _other_vlan)]


@fault(
    "reply-to-wrong-host",
    on=VXLAN,
    code="tunnel.learned-wrong",
    hop="network-br-tun",
    segment="network-ovs",
    direction="reply",
    object="br-tun|table 20|table=20|{mac}",
)
def _(t: Target) -> list[Change]:
    right = t.ofport(t.net, t.tunnel_to(t.host))
    other = t.ofport(t.net, t.tunnel_to("cmp2" if t.host == "cmp1" else "cmp1"))
    change = lambda a: re.sub(rf"output:{right}\b", f"output:{other}", a)  # noqa: E731
    return [flows_changed(t, t.net, "br-tun", f"table=20,dl_dst={t.mac}", change, "set_field")]


@fault(
    "tunnel-stale-ofport",
    on=VXLAN,
    code="ovs.stale-ofport",
    hop="network-br-tun",
    segment="network-ovs",
    object="{to_host}",
    also=("tunnel.input-flow",),
    note="the agent is held: a tunnel port that changes is an event",
)
def _(t: Target) -> list[Change]:
    return [held(t.net), renumbered(t, t.net, t.tunnel_to(t.host))]


@fault(
    "tunnel-stale-ofport-compute",
    on=VXLAN,
    code="ovs.stale-ofport",
    hop="compute-br-tun",
    segment="compute-ovs",
    object="{to_net}",
    also=("tunnel.flood-flow",),
    note="the agent is held: a tunnel port that changes is an event",
)
def _(t: Target) -> list[Change]:
    return [held(t.host), renumbered(t, t.host, t.tunnel_to(t.net))]


@fault(
    "patch-peer-wrong-network",
    on=VXLAN,
    code="ovs.patch-peer",
    hop="network-br-tun",
    segment="network-ovs",
    object="patch-int",
    note="the agent is held: a patch that changes is an event",
)
def _(t: Target) -> list[Change]:
    return [held(t.net), option(t, t.net, "patch-int", "peer", "nowhere")]


@fault(
    "br-tun-empty-network",
    on=VXLAN,
    code="ovs.flows-missing",
    hop="network-br-tun",
    segment="network-ovs",
    object="br-tun",
    also=("tunnel.input-flow",),
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.net, "br-tun")]


@fault(
    "foreign-flow-br-tun",
    on=VXLAN,
    code="ovs.foreign-drop-flow",
    hop="network-br-tun",
    segment="network-ovs",
    object="br-tun",
)
def _(t: Target) -> list[Change]:
    return [flow_added(t.net, "br-tun", f"table=4,priority=200,tun_id={t.segment:#x},udp,tp_dst=67")]


@fault(
    "tunnel-table-2",
    on=VXLAN,
    code="tunnel.base-flow",
    hop="compute-br-tun",
    segment="compute-ovs",
    object="br-tun|table 2|table=2",
    also=("ovs.flows-missing",),
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.host, "br-tun", "table=2")]


@fault(
    "ovsfw-tunnel-from-patch",
    on=OVSFW,
    code="tunnel.base-flow",
    hop="compute-br-tun",
    segment="compute-ovs",
    object="br-tun|table 0|table=0|patch-int",
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.host, "br-tun", f"table=0,in_port={t.ofport(t.host, 'patch-int')}")]
