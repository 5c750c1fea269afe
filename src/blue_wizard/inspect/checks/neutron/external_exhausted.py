"""External networks that run out of addresses."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.network import Networks, Stocks
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["external_exhausted"]

_WARN, _GRAVE = 0.80, 0.95


@check(
    "neutron.external-exhausted",
    N_("External addresses run out"),
    severity=Severity.WARNING,
    remedy=N_("Add a subnet or widen the pool of {network}; idle floating IPs are the quickest to reclaim."),
)
def external_exhausted(stocks: Stocks, networks: Networks) -> Iterable[Finding]:
    """All IPv4 subnets of an external network together: Neutron takes from the next one when the first is full. Critical
    from 95 %."""
    for n in networks.rows:
        rows = [s for s in stocks.rows if s.network == n.id and s.version == 4]
        total, used = sum(s.total for s in rows), sum(min(s.used, s.total) for s in rows)
        if n.external and total and used / total >= _WARN:
            yield found(
                n.id,
                N_("External network {network} has {left} of {total} addresses left."),
                evidence=[f"{s.cidr}: {s.used} of {s.total}" for s in rows],
                severity=Severity.CRITICAL if used / total >= _GRAVE else None,
                network=n.label,
                left=total - used,
                total=total,
            )
