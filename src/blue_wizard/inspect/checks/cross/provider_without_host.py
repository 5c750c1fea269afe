"""Compute hosts in Placement that Nova does not know, and the reverse."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Hypervisors
from blue_wizard.facts.identity import Providers
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["provider_without_host"]


@check(
    "cross.provider-without-host",
    N_("Placement and Nova know different hosts"),
    severity=Severity.WARNING,
    remedy=N_(
        "A provider without a host: delete its allocations, then it. A host without a provider: restart "
        "nova-compute there."
    ),
    under=("nova.service-down",),
    reread=True,
)
def provider_without_host(providers: Providers, hypervisors: Hypervisors) -> Iterable[Finding]:
    """By id: a hypervisor's is that of its provider. Left by a host that was renamed or installed anew. Providers without
    memory (shared
    disks, agents' bandwidth) are no hosts."""
    ids = {h.id: h for h in hypervisors.rows}
    roots = {p.id for p in providers.rows}
    for p in providers.rows:
        if p.root and "MEMORY_MB" in p.inventories and p.id not in ids:
            yield found(
                p.id,
                N_("Placement has a provider {name} ({id}) that is no hypervisor of Nova's."),
                host=p.name,
                evidence=[f"GET /resource_providers: {p.id} {p.name}", "GET /os-hypervisors: no such id"],
                name=p.name,
                id=p.id,
            )
    for h in hypervisors.rows:
        if h.id not in roots and h.enabled:
            yield found(
                h.id,
                N_("Hypervisor {name} ({id}) has no provider in Placement: no server will be put there."),
                host=h.host,
                evidence=[f"GET /os-hypervisors: {h.id} {h.name}", "GET /resource_providers: no such id"],
                name=h.name,
                id=h.id,
            )
