"""A server's port that its agent has put aside."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Servers
from blue_wizard.facts.network import Ports
from blue_wizard.facts.ovs import Switch
from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["dead_vlan"]

_DEAD = 4095


@check(
    "ovs.dead-vlan",
    N_("Port of a running server is in the dead VLAN"),
    severity=Severity.WARNING,
    remedy=N_(
        "See why the agent has not wired it: its log on {where}; then restart it: systemctl restart "
        "neutron-openvswitch-agent (or its container)."
    ),
    under=(
        "neutron.agent-dead",
        "neutron.binding-failed",
    ),
    reread=True,
)
def dead_vlan(switches: Everywhere[Switch], ports: Ports, servers: Servers) -> Iterable[Finding]:
    """Ports without a server that runs may well be there."""
    for host, switch in sorted(switches.at.items()):
        for port, interface in switch.interfaces():
            p = ports.by_id.get(interface.external_ids.get("iface-id", ""))
            s = servers.by_id.get(p.device) if p and p.of_server else None
            if p and s and port.tag == _DEAD and s.status == "ACTIVE" and s.settled:
                yield found(
                    p.id,
                    N_("Port {port} of server {name} is in the dead VLAN on {where}."),
                    host=host,
                    evidence=[f"ovs-vsctl get Port {port.name} tag: {port.tag}"],
                    port=p.id,
                    name=s.label,
                    where=host,
                )
