"""A bridge that an agent needs, and its host has not."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.network import Agents
from blue_wizard.facts.ovs import Switch
from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["bridge_missing"]


@check(
    "ovs.bridge-missing",
    N_("Bridge of a physical network is missing"),
    severity=Severity.CRITICAL,
    remedy=N_(
        "Make the bridge with its card again (ovs-vsctl add-br {bridge}; add-port), then restart the agent on {where}."
    ),
    under=(
        "ovs.silent",
        "neutron.agent-dead",
    ),
)
def bridge_missing(agents: Agents, switches: Everywhere[Switch]) -> Iterable[Finding]:
    """Of Open vSwitch agents that report."""
    for a in agents.rows:
        switch = switches.of(a.host)
        if a.kind != "Open vSwitch agent" or not a.alive or switch is None:
            continue
        for network, bridge in sorted(a.mappings.items()):
            if bridge not in switch.bridges:
                yield found(
                    bridge,
                    N_("{where} has no bridge {bridge}, which carries {network}."),
                    host=a.host,
                    evidence=[f"ovs-vsctl list-br on {a.host}: {', '.join(sorted(switch.bridges)) or 'none'}"],
                    where=a.host,
                    bridge=bridge,
                    network=network,
                )
