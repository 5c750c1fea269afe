"""Servers for which nothing is set aside in Placement."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Hypervisors, Servers
from blue_wizard.facts.identity import Providers
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["no_allocation"]


@check(
    "cross.no-allocation",
    N_("Server has no allocation"),
    severity=Severity.WARNING,
    remedy=N_(
        "See what would be done: nova-manage placement heal_allocations --instance {id} --dry-run; then "
        "without --dry-run."
    ),
    reread=True,
)
def no_allocation(servers: Servers, providers: Providers, hypervisors: Hypervisors) -> Iterable[Finding]:
    """It is on a host, and Placement thinks that its room is free: the host is filled beyond what it has."""
    hosts = {h.host for h in hypervisors.rows}
    for s in servers.rows:
        held = s.status not in {"SHELVED_OFFLOADED", "BUILD", "ERROR", "UNKNOWN", "DELETED"}
        if held and s.host in hosts and not s.task and s.id not in providers.by_consumer:
            yield found(
                s.id,
                N_("Server {name} on {where} has no allocation in Placement."),
                host=s.host,
                evidence=["GET /resource_providers/ID/allocations: on none"],
                name=s.label,
                id=s.id,
                where=s.host,
            )
