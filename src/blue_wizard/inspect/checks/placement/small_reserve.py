"""Hypervisors that keep no memory for themselves."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Hypervisors
from blue_wizard.facts.identity import Providers
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["small_reserve"]

_LEAST_MB = 512


@check(
    "placement.small-reserve",
    N_("Host keeps no memory for itself"),
    severity=Severity.WARNING,
    remedy=N_(
        "Set reserved_host_memory_mb in nova.conf on {where}; with OSDs there, their osd_memory_target comes on top."
    ),
    profile=Profile.DAILY,
)
def small_reserve(providers: Providers, hypervisors: Hypervisors) -> Iterable[Finding]:
    """Less than 512 MB (Nova's own default) for the system, agents and QEMU's overhead: the kernel ends guests when it
    runs short."""
    computes = {h.id for h in hypervisors.rows}
    for p in providers.rows:
        memory = p.inventories.get("MEMORY_MB")
        if p.id in computes and memory and memory.reserved < _LEAST_MB and memory.ratio >= 1.0:
            yield found(
                f"{p.id}:MEMORY_MB",
                N_("{where} reserves {reserved} MB of {total} MB for itself."),
                host=p.name,
                evidence=[f"MEMORY_MB: total {memory.total}, reserved {memory.reserved}, ratio {memory.ratio}"],
                where=p.name,
                reserved=memory.reserved,
                total=memory.total,
            )
