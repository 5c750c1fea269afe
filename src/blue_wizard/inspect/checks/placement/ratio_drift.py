"""Hosts whose allocation ratio differs from that of their aggregate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blue_wizard.facts.compute import Aggregates, Hypervisors
from blue_wizard.facts.identity import Providers
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["ratio_drift"]


@check(
    "placement.ratio-drift",
    N_("Allocation ratios differ within an aggregate"),
    severity=Severity.INFO,
    remedy=N_(
        "Make {resource} the same on all hosts of the aggregate (cpu_allocation_ratio and the like in nova.conf, or in Placement)."
    ),
    profile=Profile.WEEKLY,
)
def ratio_drift(providers: Providers, aggregates: Aggregates, hypervisors: Hypervisors) -> Iterable[Finding]:
    """The scheduler weighs hosts as if they were alike."""
    host_of = {h.id: h.host for h in hypervisors.rows}
    for a in aggregates.rows:
        rows = [p for p in providers.rows if host_of.get(p.id) in a.hosts]
        for name in ("VCPU", "MEMORY_MB", "DISK_GB"):
            ratios = Counter(p.inventories[name].ratio for p in rows if name in p.inventories)
            if len(ratios) > 1:
                usual = max(ratios, key=lambda r: ratios[r])
                odd = [p for p in rows if name in p.inventories and p.inventories[name].ratio != usual]
                for p in odd:
                    yield found(
                        f"{a.id}:{p.id}:{name}",
                        N_("{where} has ratio {ratio} for {resource}; most of aggregate {aggregate} have {usual}."),
                        host=p.name,
                        evidence=[f"{q.name}: {q.inventories[name].ratio}" for q in rows if name in q.inventories][:10],
                        where=p.name,
                        resource=name,
                        ratio=p.inventories[name].ratio,
                        usual=usual,
                        aggregate=a.name,
                    )
