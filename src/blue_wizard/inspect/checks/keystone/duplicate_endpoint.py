"""Endpoints that stand twice in the catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blue_wizard.facts.identity import Endpoints
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["duplicate_endpoint"]


@check(
    "keystone.duplicate-endpoint",
    N_("Endpoint stands twice in the catalogue"),
    severity=Severity.WARNING,
    remedy=N_("Delete the one that is wrong: openstack endpoint delete ID"),
    profile=Profile.DAILY,
)
def duplicate_endpoint(endpoints: Endpoints) -> Iterable[Finding]:
    """Two enabled ones of one service, region and interface: clients take one by chance."""
    rows = [e for e in endpoints.rows if e.enabled]
    for (service, name, region, interface), count in Counter(
        (e.service, e.name, e.region, e.interface) for e in rows
    ).items():
        if count > 1:
            same = [e for e in rows if (e.service, e.name, e.region, e.interface) == (service, name, region, interface)]
            yield found(
                f"{service} {region} {interface}",
                N_("{service} has {count} {interface} endpoints in region {region}."),
                evidence=[f"{e.id} {e.url}" for e in same],
                service=name or service,
                count=count,
                interface=interface,
                region=region,
            )
