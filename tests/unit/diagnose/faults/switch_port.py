"""The port in the switch."""

from __future__ import annotations

import json

from tests.unit.diagnose.cases import found, lost
from tests.unit.diagnose.seen import HYBRID, OVSFW, Seen


@lost("tap.not-in-bridge", OVSFW, ("tap", "compute-br-int"))
def tap_not_in_switch(s: Seen) -> None:
    s.port_gone(s.cmp, f"tap{s.short}")


@lost("qvo.not-in-br-int", HYBRID, ("qvo", "compute-br-int"))
def qvo_unplugged(s: Seen) -> None:
    s.port_gone(s.cmp, f"qvo{s.short}")


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


@found("ovs.policing", HYBRID)
def policed(s: Seen) -> None:
    s.set_row(s.cmp, 2, f"qvo{s.short}", ingress_policing_rate=1000)
