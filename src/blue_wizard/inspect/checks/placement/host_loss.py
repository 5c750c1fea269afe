"""Clouds that could not take the loss of a compute host."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Hypervisors
from blue_wizard.facts.identity import Providers
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["host_loss"]


@check(
    "placement.host-loss",
    N_("The servers of the fullest host would find no room"),
    severity=Severity.WARNING,
    remedy=N_("Add a compute host, or free memory: when {where} fails, not all of its servers can be evacuated."),
    profile=Profile.DAILY,
)
def host_loss(providers: Providers, hypervisors: Hypervisors) -> Iterable[Finding]:
    """The memory that is allocated on the host with the most must be free on the others together. It is a lower bound:
    fragments, zones, traits
    and groups ask for more. Asked from two hosts on."""
    computes = {h.id for h in hypervisors.rows if h.enabled}
    rows = [
        (p, p.inventories["MEMORY_MB"]) for p in providers.rows if p.id in computes and "MEMORY_MB" in p.inventories
    ]
    if len(rows) < 2:
        return
    fullest, most = max(rows, key=lambda r: r[1].used)
    left = sum(max(0, m.capacity - m.used) for p, m in rows if p.id != fullest.id)
    if most.used > left:
        yield found(
            "memory",
            N_("{used} MB are allocated on {where}; the other hosts have {left} MB left."),
            evidence=[f"{p.name}: {m.used} of {m.capacity} MB" for p, m in rows][:10],
            where=fullest.name,
            used=most.used,
            left=left,
        )
