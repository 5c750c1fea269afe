"""Hosts that services know and the inventory does not."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.network import Agents
from blue_wizard.facts.volume import VolumeServices
from blue_wizard.inspect.facts import Reached, same_host
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["unknown_host"]


@check(
    "cross.unknown-host",
    N_("A service runs on a host that the inventory does not have"),
    severity=Severity.INFO,
    remedy=N_(
        "Add {where} to the inventory, or delete what is left of it: openstack network agent delete, "
        "cinder-manage service remove."
    ),
    profile=Profile.DAILY,
)
def unknown_host(reached: Reached, agents: Agents, services: VolumeServices) -> Iterable[Finding]:
    """Agents of Neutron and services of Cinder; Nova's hosts are in the inventory by themselves."""
    names = {a.host: f"Neutron: {a.kind}" for a in agents.rows}
    names |= {s.host.partition("@")[0]: f"Cinder: {s.binary}" for s in services.rows}
    for host, who in sorted(names.items()):
        if not any(same_host(host, known) for known in reached.names):
            yield found(
                host,
                N_("{who} runs on {where}, which is in no inventory."),
                host=host,
                evidence=[who],
                who=who,
                where=host,
            )
