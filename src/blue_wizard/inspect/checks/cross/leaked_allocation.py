"""Room that Placement holds for servers that are gone."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Hypervisors, Migrations, Servers
from blue_wizard.facts.identity import Providers
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["leaked_allocation"]


@check(
    "cross.leaked-allocation",
    N_("Allocation belongs to nothing"),
    severity=Severity.WARNING,
    remedy=N_(
        "Make sure that there is neither a server nor a migration {consumer}, then: openstack resource "
        "provider allocation delete {consumer}"
    ),
    reread=True,
)
def leaked_allocation(
    providers: Providers, servers: Servers, migrations: Migrations, hypervisors: Hypervisors
) -> Iterable[Finding]:
    """On a compute host, for a consumer that is neither a server nor a migration: room that nobody uses and nobody gets.
    Silent while a
    cell does not answer (servers are then UNKNOWN)."""
    if any(s.status == "UNKNOWN" for s in servers.rows):
        return
    computes = {h.id: h.host for h in hypervisors.rows}
    known = set(servers.by_id) | {m.uuid for m in migrations.rows}
    for p in providers.rows:
        for consumer, resources in sorted(p.allocations.items()):
            if p.id in computes and consumer not in known:
                yield found(
                    consumer,
                    N_(
                        "{resources} on {where} are allocated to {consumer}, which is neither a server nor a migration."
                    ),
                    host=computes[p.id],
                    evidence=[f"GET /resource_providers/{p.id}/allocations: {consumer}"],
                    consumer=consumer,
                    where=p.name,
                    resources=", ".join(f"{n} {r}" for r, n in sorted(resources.items())),
                )
