"""Servers that hold room on two hosts."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Hypervisors, Migrations, Servers
from blue_wizard.facts.identity import Providers
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["doubled_allocation"]


@check(
    "cross.doubled-allocation",
    N_("Server holds room on two hosts"),
    severity=Severity.WARNING,
    remedy=N_(
        "Left by an evacuation or a migration that failed: nova-manage placement heal_allocations --instance {id} --force"
    ),
    reread=True,
)
def doubled_allocation(
    servers: Servers, providers: Providers, migrations: Migrations, hypervisors: Hypervisors
) -> Iterable[Finding]:
    """Allocations of one server on two compute hosts while it is not being moved. During a move the old ones belong to
    the migration."""
    computes = {h.id for h in hypervisors.rows}
    for s in servers.rows:
        at = [p for p in providers.by_consumer.get(s.id, ()) if p.id in computes]
        if len(at) > 1 and s.settled and s.id not in migrations.moving:
            yield found(
                s.id,
                N_("Server {name} holds room on {hosts}; it is on {where}."),
                host=s.host,
                evidence=[f"{p.name}: {dict(p.allocations[s.id])}" for p in at],
                name=s.label,
                id=s.id,
                hosts=", ".join(sorted(p.name for p in at)),
                where=s.host,
            )
