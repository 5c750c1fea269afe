"""ML2's Linux bridge driver: its bridges, uplinks and filter."""

from __future__ import annotations

import json

from tests.unit.diagnose.cases import found, lost
from tests.unit.diagnose.seen import LINUXBRIDGE, Seen


def _brq(s: Seen) -> str:
    return f"brq{s.network['id'][:11]}"


def _vxlan(s: Seen) -> str:
    return f"vxlan-{s.network['provider:segmentation_id']}"


def _no_entry(s: Seen, answers: dict[str, dict[str, str]]) -> None:
    rows = json.loads(answers["bridge_fdb"]["out"])
    kept = [r for r in rows if not (r["mac"] == "00:00:00:00:00:00" and r["ifname"] == _vxlan(s))]
    assert len(kept) < len(rows)
    answers["bridge_fdb"]["out"] = json.dumps(kept)


@lost("brq.missing", LINUXBRIDGE, ("tap", "compute-brq"))
def brq_missing(s: Seen) -> None:
    s.link_gone(s.cmp, _brq(s))


@lost("brq.down", LINUXBRIDGE, ("tap", "compute-brq"))
def brq_down(s: Seen) -> None:
    s.link_down(s.cmp, _brq(s))


@lost("brq.down", LINUXBRIDGE, ("network-uplink", "network-brq"))
def brq_down_there(s: Seen) -> None:
    s.link_down(s.net, _brq(s))


@lost("brq.port-missing", LINUXBRIDGE, ("tap", "compute-brq"))
def tap_alone(s: Seen) -> None:
    s.link(s.cmp, f"tap{s.short}", master=None)


@lost("brq.port-missing", LINUXBRIDGE, ("network-brq", "dhcp-port"))
def dhcp_tap_alone(s: Seen) -> None:
    s.link(s.net, f"tap{s.dhcp_short}", master=None)


@lost("tap.down", LINUXBRIDGE, ("guest", "tap"))
def tap_down(s: Seen) -> None:
    s.link_down(s.cmp, f"tap{s.short}")


@lost("brq.uplink-missing", LINUXBRIDGE, ("compute-brq", "compute-uplink"))
def vxlan_missing(s: Seen) -> None:
    s.link_gone(s.cmp, _vxlan(s))


@lost("brq.uplink-missing", LINUXBRIDGE, ("network-uplink", "network-brq"))
def vxlan_alone_there(s: Seen) -> None:
    s.link(s.net, _vxlan(s), master=None)


@lost("brq.uplink-down", LINUXBRIDGE, ("compute-brq", "compute-uplink"))
def vxlan_down(s: Seen) -> None:
    s.link_down(s.cmp, _vxlan(s))


@lost("brq.wrong-segment", LINUXBRIDGE, ("network-nic", "network-uplink"))
def wrong_vni(s: Seen) -> None:
    rows = json.loads(s.cmp["link"]["out"])
    next(r for r in rows if r["ifname"] == _vxlan(s))["linkinfo"]["info_data"]["id"] = 99
    s.cmp["link"]["out"] = json.dumps(rows)


@lost("brq.flood-entry", LINUXBRIDGE, ("compute-uplink", "compute-nic"))
def no_flood_entry(s: Seen) -> None:
    _no_entry(s, s.cmp)


@lost("iptables.dhcp-request-rule", LINUXBRIDGE, ("compute-brq", "compute-uplink"))
def request_rule(s: Seen) -> None:
    chain = f"neutron-linuxbri-o{s.port['id'][:10]}"
    s.edit(s.cmp["iptables"], rf"^\S+ -A {chain} .*--sport 68 --dport 67 .*-j RETURN\n", "")


@lost("iptables.dhcp-reply-rule", LINUXBRIDGE, ("compute-brq", "tap"), "reply")
def reply_rule(s: Seen) -> None:
    chain = f"neutron-linuxbri-i{s.port['id'][:10]}"
    s.edit(s.cmp["iptables"], rf"^\S+ -A {chain} .*--sport 67 --dport 68 .*-j RETURN\n", "")


@lost("dhcp.port-down", LINUXBRIDGE, ("network-brq", "dhcp-port"))
def dhcp_port_down(s: Seen) -> None:
    rows = json.loads(s.dhcp["inside"]["link"]["out"])
    next(r for r in rows if r["ifname"] == f"ns-{s.dhcp_short}")["flags"] = ["BROADCAST"]
    s.dhcp["inside"]["link"]["out"] = json.dumps(rows)


@lost("dhcp.server-down", LINUXBRIDGE, ("dhcp-port", "dhcp-server"))
def no_dnsmasq(s: Seen) -> None:
    s.dhcp.update(processes=[])


@found("l2.agent-dead", LINUXBRIDGE)
def dead_agent(s: Seen) -> None:
    for agent in s.api.agents or ():
        if agent["agent_type"] == "Linux bridge agent" and agent["host"] == s.compute:
            agent["alive"] = False
