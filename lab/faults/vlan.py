"""A VLAN provider network: br-ex on both hosts, its cards, and the switch between them.

No agent looks after these but where it says so.
"""

from __future__ import annotations

import re

from lab.faults import Change, fault
from lab.faults.changes import (
    drop_tagged,
    flow_added,
    flows_changed,
    flows_gone,
    held,
    link_down,
    option,
    port_flag,
    port_gone,
)
from lab.faults.target import Target

VLAN = ("vlan-hybrid", "vlan-ovsfw")
OVSFW = ("vlan-ovsfw",)


def _rewrite(t: Target, host: str) -> str:
    return f"table=0,in_port={t.ofport(host, 'phy-br-ex')},dl_vlan={t.local_vlan(host)}"


def _input(t: Target, host: str) -> str:
    return f"table=0,in_port={t.ofport(host, 'int-br-ex')},dl_vlan={t.segment}"


def _other(actions: str) -> str:
    return re.sub(r"set_field:\d+->vlan_vid", f"set_field:{4096 + 2999}->vlan_vid", actions)


@fault(
    {"vlan-rewrite-missing": VLAN, "vlan-ovsfw-rewrite-missing": OVSFW},
    code="vlan.rewrite-flow",
    hop="compute-bridge",
    segment="compute-ovs",
    object="br-ex",
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.host, "br-ex", _rewrite(t, t.host))]


@fault(
    "vlan-rewrite-missing-network",
    on=VLAN,
    code="vlan.rewrite-flow",
    hop="network-bridge",
    segment="network-ovs",
    direction="reply",
    object="br-ex",
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.net, "br-ex", _rewrite(t, t.net))]


@fault(
    {"vlan-wrong-id": VLAN, "vlan-ovsfw-wrong-id": OVSFW},
    code="vlan.wrong-id",
    hop="compute-bridge",
    segment="network-ovs",
    object="br-ex",
)
def _(t: Target) -> list[Change]:
    return [flows_changed(t, t.host, "br-ex", _rewrite(t, t.host), _other)]


@fault(
    "vlan-wrong-id-reply",
    on=VLAN,
    code="vlan.wrong-id",
    hop="network-bridge",
    segment="compute-ovs",
    direction="reply",
    object="br-ex",
)
def _(t: Target) -> list[Change]:
    return [flows_changed(t, t.net, "br-ex", _rewrite(t, t.net), _other)]


@fault(
    "vlan-nic-not-in-bridge",
    on=VLAN,
    code="vlan.nic-not-in-bridge",
    hop="compute-bridge",
    segment="compute-ovs",
    object="br-ex|ex0",
)
def _(t: Target) -> list[Change]:
    return [held(t.host), port_gone(t, t.host, "br-ex", "ex0")]


@fault(
    "vlan-nic-not-in-bridge-network",
    on=VLAN,
    code="vlan.nic-not-in-bridge",
    hop="network-bridge",
    segment="network-ovs",
    object="br-ex|ex0",
)
def _(t: Target) -> list[Change]:
    return [held(t.net), port_gone(t, t.net, "br-ex", "ex0")]


@fault("vlan-nic-down", on=VLAN, code="vlan.nic-down", hop="compute-nic", segment="compute-ovs", object="ex0")
def _(t: Target) -> list[Change]:
    return [link_down(t, t.host, "ex0")]


@fault(
    "vlan-nic-down-network",
    on=VLAN,
    code="vlan.nic-down",
    hop="network-nic",
    segment=("wire", "compute-ovs"),
    object="ex0",
)
def _(t: Target) -> list[Change]:
    return [link_down(t, t.net, "ex0")]


@fault(
    "vlan-cable",
    on=VLAN,
    code="vlan.nic-down",
    hop="compute-nic",
    segment="compute-ovs",
    object="ex0",
    note="the other end of the host's cable: the card is up, and has no carrier",
)
def _(t: Target) -> list[Change]:
    return [link_down(t, "machine", f"bwl-e-{t.host}")]


@fault(
    "vlan-not-carried",
    on=VLAN,
    code="vlan.not-carried",
    hop="network-nic",
    segment="wire",
    look="packet",
    note="the switch between the hosts carries no VLAN: no host can see it",
)
def _(t: Target) -> list[Change]:
    return [drop_tagged("machine", f"bwl-e-{t.net}")]


@fault(
    "vlan-input-missing-network",
    on=VLAN,
    code="vlan.input-flow",
    hop="network-br-int",
    segment="network-ovs",
    object="br-int",
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.net, "br-int", _input(t, t.net))]


@fault(
    "vlan-input-wrong-tag-network",
    on=VLAN,
    code="vlan.input-wrong-tag",
    hop="network-br-int",
    segment="network-ovs",
    object="br-int",
    also=("vlan.input-flow",),
)
def _(t: Target) -> list[Change]:
    return [flows_changed(t, t.net, "br-int", _input(t, t.net), _other)]


@fault(
    {"vlan-input-missing-compute": VLAN, "vlan-ovsfw-input-missing-compute": OVSFW},
    code="vlan.input-flow",
    hop="compute-br-int",
    segment="compute-ovs",
    direction="reply",
    object="br-int",
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.host, "br-int", _input(t, t.host))]


@fault(
    "vlan-patch-peer",
    on=VLAN,
    code="vlan.patch-peer",
    hop="compute-br-int",
    segment="compute-ovs",
    object="int-br-ex",
    also=("ovs.patch-peer",),
    note="the agent is held: a patch that changes is an event",
)
def _(t: Target) -> list[Change]:
    return [held(t.host), option(t, t.host, "int-br-ex", "peer", "nowhere")]


@fault(
    "vlan-patch-peer-other-end",
    on=VLAN,
    code="vlan.patch-peer",
    hop="network-bridge",
    segment="network-ovs",
    object="phy-br-ex",
    also=("ovs.patch-peer",),
    note="the agent is held. The error stands at the other end only",
)
def _(t: Target) -> list[Change]:
    return [held(t.net), option(t, t.net, "phy-br-ex", "peer", "nowhere")]


@fault(
    "vlan-patch-no-flood",
    on=VLAN,
    code="ovs.no-forward",
    hop="compute-br-int",
    segment="compute-ovs",
    object="int-br-ex",
)
def _(t: Target) -> list[Change]:
    return [port_flag(t.host, "br-int", "int-br-ex", "no-flood", "flood")]


@fault(
    "vlan-foreign-flow",
    on=VLAN,
    code="ovs.foreign-drop-flow",
    hop="network-bridge",
    segment="network-ovs",
    object="br-ex",
)
def _(t: Target) -> list[Change]:
    return [flow_added(t.net, "br-ex", f"table=0,priority=500,udp,dl_vlan={t.segment},tp_dst=67")]
