"""Hosts in aggregates of different availability zones."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Aggregates
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["host_in_two_zones"]


@check(
    "nova.host-in-two-zones",
    N_("Host is in two availability zones"),
    severity=Severity.WARNING,
    remedy=N_("Take it out of one: openstack aggregate remove host AGGREGATE {where}"),
    profile=Profile.DAILY,
)
def host_in_two_zones(aggregates: Aggregates) -> Iterable[Finding]:
    """Nova's API refuses this today; records of older releases and of the database stay."""
    zones: dict[str, set[str]] = {}
    for a in aggregates.rows:
        for host in a.hosts:
            zones.setdefault(host, set()).update({a.zone} - {""})
    for host, names in sorted(zones.items()):
        if len(names) > 1:
            yield found(
                f"zone {host}",
                N_("{where} is in the availability zones {zones}."),
                host=host,
                evidence=[f"GET /os-aggregates: {a.name} ({a.zone})" for a in aggregates.rows if host in a.hosts],
                where=host,
                zones=", ".join(sorted(names)),
            )
