"""Compute hosts that offer no processors or no memory."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Hypervisors
from blue_wizard.facts.identity import Providers
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["no_inventory"]


@check(
    "placement.no-inventory",
    N_("Host offers nothing to Placement"),
    severity=Severity.WARNING,
    remedy=N_(
        "Look at the log of nova-compute on {where}; it reports the inventory once a minute while libvirt answers."
    ),
    under=("nova.service-down", "libvirt.silent"),
    reread=True,
)
def no_inventory(providers: Providers, hypervisors: Hypervisors) -> Iterable[Finding]:
    """A compute host without VCPU and PCPU, or without MEMORY_MB, gets no server."""
    computes = {h.id for h in hypervisors.rows if h.enabled}
    for p in providers.rows:
        classes = {name for name, i in p.inventories.items() if i.total > 0}
        lacking = [
            w for w, any_of in (("VCPU", {"VCPU", "PCPU"}), ("MEMORY_MB", {"MEMORY_MB"})) if not classes & any_of
        ]
        if p.id in computes and lacking:
            yield found(
                p.id,
                N_("{where} offers no {resources}: no server will be put there."),
                host=p.name,
                evidence=[f"GET /resource_providers/{p.id}/inventories: {', '.join(sorted(classes)) or 'none'}"],
                where=p.name,
                resources=", ".join(lacking),
            )
