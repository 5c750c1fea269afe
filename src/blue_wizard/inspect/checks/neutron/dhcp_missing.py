"""Networks with DHCP that no living DHCP agent serves."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.network import Agents, Networks, Ports, Subnets
from blue_wizard.inspect.fetch.schedule import Hosting
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["dhcp_missing"]


@check(
    "neutron.dhcp-missing",
    N_("No living DHCP agent serves the network"),
    severity=Severity.WARNING,
    remedy=N_("Give it to one that lives: openstack network agent add network --dhcp AGENT {id}"),
    under=("neutron.agent-dead",),
    reread=True,
)
def dhcp_missing(
    networks: Networks, subnets: Subnets, ports: Ports, agents: Agents, hosting: Hosting
) -> Iterable[Finding]:
    """Where there are DHCP agents at all (OVN answers by itself). A network without a single port of a device needs none
    yet: Neutron
    schedules it with its first port."""
    alive = {a.id for a in agents.rows if a.kind == "DHCP agent" and a.alive}
    if not any(a.kind == "DHCP agent" for a in agents.rows):
        return
    wanted = {s.network for s in subnets.rows if s.dhcp}
    used = {
        p.network
        for p in ports.rows
        if p.owner and p.owner != "network:dhcp" and not p.owner.startswith("network:floatingip")
    }
    for n in networks.rows:
        holders = {agent for agent, ids in hosting.networks.items() if n.id in ids}
        if n.enabled and n.id in wanted and n.id in used and not holders & alive:
            yield found(
                n.id,
                N_("Network {name} has DHCP, but no DHCP agent that lives serves it."),
                evidence=[f"GET /agents/ID/dhcp-networks: {', '.join(sorted(holders)) or 'on no agent'}"],
                name=n.label,
                id=n.id,
            )
