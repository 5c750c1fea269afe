"""Neutron's agents: alive, and told what they need to know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from blue_wizard.diagnose import remedies
from blue_wizard.diagnose.case import Case
from blue_wizard.diagnose.expected import LINUXBRIDGE
from blue_wizard.diagnose.model import Cause, Finding
from blue_wizard.diagnose.rulebook import about, rule
from blue_wizard.text import _

__all__ = ["configuration", "dhcp_agent", "l2_agent"]

_DEAD_VLAN = 4095


def _agent(case: Case, host: str, kind: str) -> dict[str, Any] | None:
    return next((a for a in case.api.agents or () if a["host"] == host and a["agent_type"] == kind), None)


@rule
def l2_agent(case: Case) -> Iterable[Cause | Finding]:
    """An agent that is dead wires no new port; what it wired before goes on."""
    for side in case.sides:
        agent = _agent(case, side.host.name, LINUXBRIDGE if case.path.linuxbridge else "Open vSwitch agent")
        if agent is None or agent["alive"]:
            continue
        text = _("The {agent} on {host} is dead since {time}.").format(
            agent=agent["agent_type"], host=side.host.name, time=agent["heartbeat_timestamp"]
        )
        evidence = (f"alive=False heartbeat_timestamp={agent['heartbeat_timestamp']}",)
        # An agent that never saw the port left it in the dead VLAN, without a record of a tag of its own.
        unwired = side.plugged is not None and "tag" not in side.plugged[0].other_config
        if unwired and side.tag in {None, _DEAD_VLAN}:
            yield Cause(
                "l2.agent-dead",
                side.br_int,
                side.host.name,
                side.device,
                text + " " + _("It never wired {device}.").format(device=side.device),
                remedies.restart_l2_agent(side.host.name),
                evidence,
                lost_at="" if side is case.compute else case.path.far_hop,
            )
        else:
            yield Finding(
                "l2.agent-dead",
                side.host.name,
                "neutron-openvswitch-agent",
                text,
                remedies.restart_l2_agent(side.host.name),
                evidence,
            )


@about("")
def dhcp_agent(case: Case) -> Iterable[Cause | Finding]:
    """A dead DHCP agent tells dnsmasq of no new port; dnsmasq itself goes on with those that it knows."""
    if case.network is None:
        return
    agent = _agent(case, case.network.host.name, "DHCP agent")
    if agent is None or agent["alive"]:
        return
    host = case.network.host.name
    text = _("The DHCP agent on {host} is dead since {time}.").format(host=host, time=agent["heartbeat_timestamp"])
    evidence = (f"alive=False heartbeat_timestamp={agent['heartbeat_timestamp']}",)
    known = case.dhcp.reservations if case.dhcp else None
    stopped = case.dhcp is not None and not case.dhcp.processes
    if stopped or (known is not None and case.path.mac not in {r.mac for r in known}):
        yield Cause(
            "dhcp.agent-dead",
            "dhcp-server",
            host,
            "neutron-dhcp-agent",
            text + " " + _("The DHCP server does not know this port."),
            remedies.restart_dhcp_agent(host),
            evidence,
        )
    else:
        yield Finding("dhcp.agent-dead", host, "neutron-dhcp-agent", text, remedies.restart_dhcp_agent(host), evidence)


@rule
def configuration(case: Case) -> Iterable[Cause]:
    """What each agent reports of its configuration must lead to the network."""
    path = case.path
    for side in case.sides:
        agent = _agent(case, side.host.name, "Open vSwitch agent")
        if agent is None:
            continue
        told = agent.get("configurations") or {}
        tunnels = told.get("tunneling_ip") and path.kind in told.get("tunnel_types", [path.kind])
        if path.tunnelled and not path.same_host and not tunnels:
            yield Cause(
                "l2.no-tunnel-address",
                f"{side.role}-br-tun",
                side.host.name,
                "local_ip",
                _("The Open vSwitch agent on {host} makes no {kind} tunnels.").format(
                    host=side.host.name, kind=path.kind
                ),
                _("Set local_ip and tunnel_types in openvswitch_agent.ini on {host}, and restart the agent.").format(
                    host=side.host.name
                ),
                (f"tunneling_ip={told.get('tunneling_ip')} tunnel_types={told.get('tunnel_types')}",),
            )
        physical = path.network.get("provider:physical_network")
        if path.kind in {"vlan", "flat"} and physical not in (told.get("bridge_mappings") or {}):
            yield Cause(
                "l2.no-bridge-mapping",
                side.br_int,
                side.host.name,
                str(physical),
                _("The Open vSwitch agent on {host} has no bridge for physical network {physical}.").format(
                    host=side.host.name, physical=physical
                ),
                _(
                    "Add {physical}:BRIDGE to bridge_mappings in openvswitch_agent.ini on {host}, and restart the agent."
                ).format(physical=physical, host=side.host.name),
                (f"bridge_mappings={told.get('bridge_mappings')}",),
            )
