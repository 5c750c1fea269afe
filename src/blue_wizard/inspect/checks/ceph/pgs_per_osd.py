"""OSDs with far too many placement groups."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephOsdUse
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["pgs_per_osd"]

_MOST = 300


@check(
    "ceph.pgs-per-osd",
    N_("OSD has too many placement groups"),
    severity=Severity.WARNING,
    remedy=N_("Lower pg_num of the pools that have too many (ceph osd pool autoscale-status), or add OSDs."),
    profile=Profile.WEEKLY,
)
def pgs_per_osd(use: CephOsdUse) -> Iterable[Finding]:
    """More than 300: memory and the time to peer grow, and after a failure the limit of 750 that keeps them inactive is near."""
    for o in use.rows:
        if o.pgs > _MOST:
            yield found(
                f"osd.{o.id}",
                N_("osd.{osd} has {pgs} placement groups."),
                evidence=[f"ceph osd df: pgs {o.pgs}"],
                osd=o.id,
                pgs=o.pgs,
            )
