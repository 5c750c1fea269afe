"""VLAN provider networks."""

from __future__ import annotations

from tests.unit.diagnose.cases import lost
from tests.unit.diagnose.seen import TWO_PORTS, VLAN_OVSFW, Seen


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
