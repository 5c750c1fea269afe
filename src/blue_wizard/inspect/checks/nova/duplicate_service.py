"""Hosts that Nova knows twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blue_wizard.facts.compute import ComputeServices, Hypervisors
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["duplicate_service"]


@check(
    "nova.duplicate-service",
    N_("Nova knows a host twice"),
    severity=Severity.WARNING,
    remedy=N_(
        "Delete the record that is stale: openstack compute service delete ID; then check its resource provider."
    ),
)
def duplicate_service(services: ComputeServices, hypervisors: Hypervisors) -> Iterable[Finding]:
    """Two records of one service on one host, or two hypervisors of one name: left by a change of the host's name or its cell."""
    for (binary, host), count in Counter((s.binary, s.host) for s in services.rows).items():
        if count > 1:
            ids = [s.id for s in services.rows if (s.binary, s.host) == (binary, host)]
            yield found(
                f"{binary}@{host}",
                N_("{binary} on {where} has {count} records."),
                host=host,
                evidence=[f"GET /os-services: {binary} {host}: {', '.join(ids)}"],
                binary=binary,
                where=host,
                count=count,
            )
    for name, count in Counter(h.name for h in hypervisors.rows).items():
        if count > 1:
            ids = [h.id for h in hypervisors.rows if h.name == name]
            yield found(
                f"hypervisor {name}",
                N_("Hypervisor {name} has {count} records."),
                host=name,
                evidence=[f"GET /os-hypervisors/detail: {name}: {', '.join(ids)}"],
                name=name,
                count=count,
            )
