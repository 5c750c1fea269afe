"""Neutron's agents."""

from __future__ import annotations

from tests.unit.diagnose.cases import found, lost
from tests.unit.diagnose.seen import HYBRID, VLAN_OVSFW, Seen


def _kill_agent(s: Seen, host: str, kind: str) -> None:
    for agent in s.api.agents or ():
        if agent["host"] == host and agent["agent_type"] == kind:
            agent["alive"] = False


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


@found("l2.agent-dead", HYBRID)
def dead_agent(s: Seen) -> None:
    _kill_agent(s, s.compute, "Open vSwitch agent")


@found("dhcp.agent-dead", HYBRID)
def dead_dhcp_agent(s: Seen) -> None:
    _kill_agent(s, s.net_name, "DHCP agent")
