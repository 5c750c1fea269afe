"""Public flavors that no host is big enough for."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Flavors, Hypervisors
from blue_wizard.facts.identity import Providers
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["flavor_nowhere"]


@check(
    "nova.flavor-nowhere",
    N_("No host is big enough for the flavor"),
    severity=Severity.INFO,
    remedy=N_(
        "Hide flavor {name}, make it smaller, or add a host that is big enough: every server of it ends in ERROR."
    ),
    profile=Profile.WEEKLY,
    under=("nova.service-down",),
)
def flavor_nowhere(flavors: Flavors, providers: Providers, hypervisors: Hypervisors) -> Iterable[Finding]:
    """Even an empty host would not take it: its processors (VCPU or PCPU) or its memory are more than what any compute
    host has altogether,
    int((total - reserved) * ratio). Flavors that override resources by their extra specs are left out."""
    computes = [p for p in providers.rows if p.id in {h.id for h in hypervisors.rows}]
    sizes = [
        (
            max((p.inventories[c].capacity for c in ("VCPU", "PCPU") if c in p.inventories), default=0),
            p.inventories["MEMORY_MB"].capacity if "MEMORY_MB" in p.inventories else 0,
        )
        for p in computes
    ]
    for f in flavors.rows:
        special = any(name.startswith("resources") for name in f.specs)
        if (
            sizes
            and f.public
            and not special
            and not any(f.vcpus <= cpus and f.ram <= memory for cpus, memory in sizes)
        ):
            yield found(
                f.id,
                N_("Flavor {name} wants {vcpus} processors and {ram} MB; no host has as much altogether."),
                evidence=[
                    f"{p.name}: {cpus} VCPU, {memory} MEMORY_MB"
                    for p, (cpus, memory) in zip(computes, sizes, strict=True)
                ][:10],
                name=f.name,
                vcpus=f.vcpus,
                ram=f.ram,
            )
