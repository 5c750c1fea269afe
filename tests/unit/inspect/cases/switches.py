"""Open vSwitch, OVN, HAProxy, keepalived."""

from __future__ import annotations

from blue_wizard.facts.compute import Server, Servers
from blue_wizard.facts.network import Agent, Agents, Ports
from blue_wizard.facts.network import Port as NeutronPort
from blue_wizard.facts.ovs import Bridge, Interface, Port, Switch
from blue_wizard.inspect.fetch.balancing import HaproxyRow, HaproxyState, VirtualAddresses
from blue_wizard.inspect.fetch.switches import (
    OvnChassis,
    OvnController,
    OvnRaft,
    OvnSouth,
    SwitchAnswer,
    SwitchUse,
)

from .base import At, at, case


def _switch(host: str, *interfaces: Interface, tag: int | None = None, bridges: tuple[str, ...] = ("br-int",)) -> At:
    ports = {i.name: Port(i.name, "br-int", (i,), tag) for i in interfaces}
    return at(host, Switch("3.1", {b: Bridge(b) for b in bridges}, ports))


case(
    "ovs.silent",
    bad=[at("cmp1", SwitchAnswer(True, False, "no answer in time"))],
    finds=["switch"],
    good=[at("cmp1", SwitchAnswer())],
)
case(
    "ovs.port-error",
    bad=[_switch("cmp1", Interface("tap1", error="could not open tap1"), Interface("ex0", error="could not open ex0"))],
    finds={"tap1": "info", "ex0": "warning"},
    good=[_switch("cmp1", Interface("tap2"))],
)
_WIRED = Interface("qvo1", external_ids={"iface-id": "p1"})
_OF_A = Ports((NeutronPort("p1", device="a", owner="compute:nova"),))
case(
    "ovs.dead-vlan",
    bad=[_switch("cmp1", _WIRED, tag=4095), _OF_A, Servers((Server("a"),))],
    finds=["p1"],
    good=[
        _switch("cmp1", _WIRED, tag=4),
        _switch("cmp2", Interface("old"), tag=4095),
        _switch("cmp3", Interface("qvo2", external_ids={"iface-id": "p2"}), tag=4095),
        Ports((*_OF_A.rows, NeutronPort("p2", device="b", owner="compute:nova"))),
        Servers((Server("a"), Server("b", status="SHUTOFF"))),
    ],
)
_AGENT = Agent("1", "Open vSwitch agent", "cmp1", mappings={"physnet1": "br-ex"})
case(
    "ovs.bridge-missing",
    bad=[Agents((_AGENT,)), _switch("cmp1")],
    finds=["br-ex"],
    good=[
        Agents((_AGENT, Agent("2", "Open vSwitch agent", "cmp2", alive=False, mappings={"physnet1": "br-ex"}))),
        _switch("cmp1", bridges=("br-int", "br-ex")),
        _switch("cmp2"),
    ],
)
case(
    "ovs.bfd-down",
    bad=[_switch("cmp1", Interface("vxlan-1", "vxlan", bfd={"state": "down", "diagnostic": "No Diagnostic"}))],
    finds=["vxlan-1"],
    good=[
        _switch(
            "cmp1",
            Interface("vxlan-1", "vxlan", bfd={"state": "up"}),
            Interface("vxlan-2", "vxlan"),
            Interface("vxlan-3", "vxlan", bfd={"state": "admin_down"}),
        )
    ],
)
case(
    "ovs.limits",
    bad=[at("cmp1", SwitchUse({"br-ex": (2048, 2048), "br-int": (9, 2048)}, (180000, 200000)))],
    finds=["addresses br-ex", "flows"],
    good=[at("cmp1", SwitchUse({"br-ex": (20, 2048)}, (10, 200000))), at("cmp2", SwitchUse({}))],
)
case(
    "ovs.lost-packets",
    bad=[at("cmp1", SwitchUse({}, None, (50000, 1000000)))],
    finds=["upcalls"],
    good=[at("cmp1", SwitchUse({}, None, (5, 100))), at("cmp2", SwitchUse({}, None, (2000, 90000000)))],
)


def _raft(host: str, northd: str = "standby", **told: str) -> At:
    row = {
        "Status": "cluster member",
        "Leader": "self",
        "Cluster ID": "c1",
        **{k.replace("_", " "): v for k, v in told.items()},
    }
    return at(
        host, OvnRaft({"nb": row, "sb": {"Status": "cluster member", "Leader": "self", "Cluster ID": "c2"}}, northd)
    )


case(
    "ovn.raft",
    bad=[_raft("ctl1"), _raft("ctl2", Status="joining cluster"), _raft("ctl3", Cluster_ID="other")],
    finds=["nb", "nb clusters"],
    good=[_raft("ctl1"), _raft("ctl2")],
)
case(
    "ovn.northd",
    bad=[_raft("ctl1", "active"), _raft("ctl2", "active")],
    finds=["ovn-northd"],
    good=[_raft("ctl1", "active"), _raft("ctl2"), _raft("ctl3", "")],
)
case(
    "ovn.controller",
    bad=[at("cmp1", OvnController("not connected"))],
    finds=["ovn-controller"],
    good=[at("cmp1", OvnController())],
)
case(
    "ovn.chassis",
    bad=[
        at("ctl1", OvnSouth((OvnChassis("c1", "cmp1"), OvnChassis("c2", "cmp1"), OvnChassis("c3", "cmp2", lag=40)))),
    ],
    finds=["c1", "c2", "c3"],
    good=[at("ctl1", OvnSouth((OvnChassis("c1", "cmp1"), OvnChassis("c2", "cmp2", lag=2))))],
)
case(
    "ovn.gateway-homeless",
    bad=[at("ctl1", OvnSouth(homeless=("cr-lrp-1",)))],
    finds=["cr-lrp-1"],
    good=[at("ctl1", OvnSouth())],
)


def _haproxy(*rows: HaproxyRow) -> At:
    return at("ctl1", HaproxyState(rows))


_WELL = (
    HaproxyRow("nova", "FRONTEND", "OPEN", (10, 1000)),
    HaproxyRow("nova", "ctl1"),
    HaproxyRow("nova", "ctl2", "no check"),
    HaproxyRow("nova", "BACKEND", sessions=(10, 100)),
)
case(
    "haproxy.backend-down",
    bad=[_haproxy(HaproxyRow("nova", "ctl1", "DOWN"), HaproxyRow("nova", "BACKEND", "DOWN"), *_WELL[:1])],
    finds=["nova"],
    good=[_haproxy(*_WELL, HaproxyRow("stats", "BACKEND", "DOWN"))],
)
case(
    "haproxy.server-down",
    bad=[_haproxy(*_WELL, HaproxyRow("nova", "ctl3", "DOWN 1/2"), HaproxyRow("nova", "ctl4", "MAINT"))],
    finds=["nova/ctl3", "nova/ctl4"],
    # Of a backend that is dead as a whole another check tells.
    good=[_haproxy(*_WELL, HaproxyRow("glance", "ctl1", "DOWN"), HaproxyRow("glance", "BACKEND", "DOWN"))],
)
case(
    "haproxy.single-server",
    bad=[_haproxy(*_WELL, HaproxyRow("glance", "ctl1"), HaproxyRow("glance", "BACKEND"))],
    finds=["glance"],
    good=[_haproxy(*_WELL)],
)
case(
    "haproxy.sessions",
    bad=[
        _haproxy(
            HaproxyRow("nova", "FRONTEND", "OPEN", (900, 1000)),
            HaproxyRow("glance", "BACKEND", sessions=(1, 10), queued=3),
        )
    ],
    finds=["nova frontend", "glance backend"],
    good=[_haproxy(*_WELL)],
)


def _carries(host: str, *here: str) -> At:
    return at(host, VirtualAddresses(("10.0.0.5",), frozenset({"10.0.0.1", *here})))


case(
    "keepalived.virtual-address",
    bad=[_carries("ctl1", "10.0.0.5"), _carries("ctl2", "10.0.0.5")],
    finds=["10.0.0.5"],
    good=[_carries("ctl1", "10.0.0.5"), _carries("ctl2"), at("ctl3", VirtualAddresses())],
)
