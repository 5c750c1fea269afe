"""OSDs that are nearly full."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephMap, CephOsdUse, CephTree
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["osd_nearfull"]


@check(
    "ceph.osd-nearfull",
    N_("OSD is nearly full"),
    severity=Severity.WARNING,
    remedy=N_(
        "Rebalance (ceph balancer status; reweight-by-utilization), add OSDs, or delete. At the full ratio "
        "all writes stop."
    ),
)
def osd_nearfull(use: CephOsdUse, osd_map: CephMap, tree: CephTree) -> Iterable[Finding]:
    """Five points below the cluster's nearfull ratio it is a warning; from its backfillfull ratio on it is critical: one
    full OSD stops
    the writes of every pool that has a placement group on it."""
    for o in use.rows:
        if o.used >= osd_map.nearfull - 0.05:
            yield found(
                f"osd.{o.id}",
                N_("osd.{osd} is {percent} full (nearfull {near}, full {full})."),
                host=tree.host_of(o.id),
                evidence=[f"ceph osd df: osd.{o.id} utilization {o.used * 100:.1f}"],
                severity=Severity.CRITICAL if o.used >= osd_map.backfillfull else None,
                osd=o.id,
                percent=f"{o.used * 100:.1f} %",
                near=f"{round(osd_map.nearfull * 100)} %",
                full=f"{round(osd_map.full * 100)} %",
            )
