"""Providers that have given away more than they have."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.identity import Providers
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["over_capacity"]


@check(
    "placement.over-capacity",
    N_("More is allocated than there is"),
    severity=Severity.WARNING,
    remedy=N_("Move servers away from {where}, or put the allocation ratio back to what it was when they came."),
)
def over_capacity(providers: Providers) -> Iterable[Finding]:
    """Used > int((total - reserved) * ratio): a ratio was lowered, memory was lost, or a server was forced onto the host."""
    for p in providers.rows:
        for name, i in p.inventories.items():
            if i.used > i.capacity:
                yield found(
                    f"{p.id}:{name}",
                    N_("{where} has allocated {used} of {capacity} {resource}."),
                    host=p.name,
                    evidence=[f"total {i.total}, reserved {i.reserved}, ratio {i.ratio}, used {i.used}"],
                    where=p.name,
                    resource=name,
                    used=i.used,
                    capacity=i.capacity,
                )
