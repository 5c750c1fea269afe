"""Servers whose room is held on another host."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Hypervisors, Migrations, Servers
from blue_wizard.facts.identity import Providers
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["allocation_host"]


@check(
    "cross.allocation-host",
    N_("Server's room is held on another host"),
    severity=Severity.WARNING,
    remedy=N_("Put it right: nova-manage placement heal_allocations --instance {id} --force"),
    under=("cross.doubled-allocation",),
    reread=True,
)
def allocation_host(
    servers: Servers, providers: Providers, migrations: Migrations, hypervisors: Hypervisors
) -> Iterable[Finding]:
    """All its allocations on compute hosts are on hosts where it is not."""
    host_of = {h.id: h.host for h in hypervisors.rows}
    for s in servers.rows:
        at = [host_of[p.id] for p in providers.by_consumer.get(s.id, ()) if p.id in host_of]
        if at and s.host and s.host not in at and s.settled and s.id not in migrations.moving:
            yield found(
                s.id,
                N_("Server {name} is on {where}; Placement holds its room on {hosts}."),
                host=s.host,
                evidence=[f"GET /resource_providers/ID/allocations: {', '.join(at)}"],
                name=s.label,
                id=s.id,
                where=s.host,
                hosts=", ".join(at),
            )
