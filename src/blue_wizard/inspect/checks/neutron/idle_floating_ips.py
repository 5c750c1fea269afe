"""Floating IPs that belong to nothing."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.network import FloatingIps
from blue_wizard.inspect.model import Finding, Now, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["idle_floating_ips"]

_WEEK_S = 7 * 86400


@check(
    "neutron.idle-floating-ips",
    N_("Floating IP is idle"),
    severity=Severity.INFO,
    remedy=N_("Ask project {project}, then: openstack floating ip delete {address}"),
    profile=Profile.WEEKLY,
)
def idle_floating_ips(floating: FloatingIps, now: Now) -> Iterable[Finding]:
    """Taken from the pool, given to no port for a week."""
    for f in floating.rows:
        age = now.at - f.updated
        if not f.port and f.updated and age > _WEEK_S:
            yield found(
                f.id,
                N_("Floating IP {address} of project {project} has belonged to nothing for {days} d."),
                evidence=[f"GET /floatingips: {f.id} port_id null, updated {age:.0f} s ago"],
                address=f.address,
                project=f.project,
                days=round(age / 86400),
            )
