"""Ports that could not be bound."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.network import Ports
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["binding_failed"]


@check(
    "neutron.binding-failed",
    N_("Port could not be bound"),
    severity=Severity.WARNING,
    remedy=N_(
        "See why in the log of neutron-server (no agent alive there? no mapping of the physical network?), "
        "then plug the port again."
    ),
    under=("neutron.agent-dead",),
)
def binding_failed(ports: Ports) -> Iterable[Finding]:
    """No mechanism driver took it: its device has no network."""
    for p in ports.rows:
        if p.vif == "binding_failed":
            yield found(
                p.id,
                N_("Port {port} ({owner} {device}) could not be bound on {where}."),
                host=p.host,
                evidence=["GET /ports: binding:vif_type binding_failed"],
                port=p.id,
                owner=p.owner or "-",
                device=p.device or "-",
                where=p.host or "-",
            )
