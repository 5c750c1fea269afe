"""Pools that nobody has said the use of."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephMap
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["pool_application"]


@check(
    "ceph.pool-application",
    N_("Pool has no application"),
    severity=Severity.INFO,
    remedy=N_("Say what it is for: ceph osd pool application enable {pool} rbd"),
    profile=Profile.WEEKLY,
)
def pool_application(osd_map: CephMap) -> Iterable[Finding]:
    """Without it the profile rbd of cephx gives no access to some, and Ceph warns."""
    for p in osd_map.pools:
        if not p.applications and not p.name.startswith("device_health"):
            yield found(
                p.name, N_("Pool {pool} has no application."), evidence=[f"ceph osd dump: {p.name}"], pool=p.name
            )
