"""The openvswitch firewall: tables 60 to 94 of br-int.

The agent writes them when a port or a group changes, or when the canary is gone.
"""

from __future__ import annotations

from lab.faults import Change, fault
from lab.faults.changes import flow_added, flows_changed, flows_gone, held, renumbered
from lab.faults.target import Target

OVSFW = ("ovsfw", "vlan-ovsfw")


def _in_port(t: Target) -> str:
    return rf"in_port={t.ofport(t.host, t.tap)}\b"


def _reg5(t: Target) -> str:
    return rf"reg5=0x{t.ofport(t.host, t.tap):x}\b"


@fault(
    {"ovsfw-request-flow": OVSFW, "vlan-ovsfw-request-flow": ("vlan-ovsfw",)},
    code="ovsfw.request-flow",
    hop="compute-br-int",
    segment="compute-ovs",
    object="{tap}|table=71|table 71",
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.host, "br-int", "table=71,udp,tp_src=68,tp_dst=67", _in_port(t))]


@fault(
    {"ovsfw-reply-flow": OVSFW, "vlan-ovsfw-reply-flow": ("vlan-ovsfw",)},
    code="ovsfw.reply-flow",
    hop="compute-br-int",
    segment="compute-ovs",
    direction="reply",
    object="{tap}|table=81|table 81",
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.host, "br-int", "table=81,udp,tp_src=67,tp_dst=68", _reg5(t))]


@fault(
    "ovsfw-other-mac",
    on=OVSFW,
    code="ovsfw.mac-not-allowed",
    hop="compute-br-int",
    segment="compute-ovs",
    object="{tap}|{mac}",
    note="the rules were made for another MAC address than the port has now",
)
def _(t: Target) -> list[Change]:
    gone = flows_gone(t, t.host, "br-int", "table=71", rf"{_in_port(t)}.*dl_src={t.mac}")
    other = gone.undo.replace(f"dl_src={t.mac}", "dl_src=fa:16:3e:00:00:99")
    away = gone.do.replace(f"dl_src={t.mac}", "dl_src=fa:16:3e:00:00:99")
    return [Change(t.host, f"{gone.do}\n{other}", f"{away}\n{gone.undo}")]


@fault(
    "ovsfw-table-73",
    on=OVSFW,
    code="ovsfw.base-flow",
    hop="compute-br-int",
    segment="compute-ovs",
    object="{tap}|table=73|table 73",
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.host, "br-int", "table=73", rf"priority=80,{_reg5(t)}")]


@fault(
    "ovsfw-table-94",
    on=OVSFW,
    code="ovsfw.base-flow",
    hop="compute-br-int",
    segment="compute-ovs",
    object="table=94|table 94|br-int",
    also=("ovs.normal-flow-missing",),
)
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.host, "br-int", "table=94")]


@fault(
    "ovsfw-table-81-drops",
    on=OVSFW,
    code="ovs.foreign-drop-flow",
    hop="compute-br-int",
    segment="compute-ovs",
    direction="reply",
    object="br-int",
)
def _(t: Target) -> list[Change]:
    return [flow_added(t.host, "br-int", "table=81,priority=200,udp,tp_src=67,tp_dst=68")]


@fault(
    "ovsfw-request-drops",
    on=OVSFW,
    code="ovsfw.request-flow",
    hop="compute-br-int",
    segment="compute-ovs",
    object="{tap}|table=71|table 71",
    also=("ovs.foreign-drop-flow",),
)
def _(t: Target) -> list[Change]:
    return [flows_changed(t, t.host, "br-int", "table=71,udp,tp_src=68,tp_dst=67", lambda _: "drop", _in_port(t))]


@fault(
    "ovsfw-stale-ofport",
    on=OVSFW,
    code="ovs.stale-ofport",
    hop="compute-br-int",
    segment="compute-ovs",
    direction="reply",
    object="{tap}",
    note="the agent is held: it wires a port again whose number changes. The request passes, past the firewall",
)
def _(t: Target) -> list[Change]:
    return [held(t.host), renumbered(t, t.host, t.tap)]
