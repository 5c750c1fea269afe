"""What Ceph itself complains about."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephHealth
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["health"]

_OWN = {
    "OSD_DOWN",
    "OSD_HOST_DOWN",
    "OSD_NEARFULL",
    "OSD_BACKFILLFULL",
    "OSD_FULL",
    "OSDMAP_FLAGS",
    "MON_DOWN",
    "PG_AVAILABILITY",
    "PG_DEGRADED",
    "RECENT_CRASH",
    "POOL_NO_REDUNDANCY",
    "MGR_DOWN",
    "POOL_APP_NOT_ENABLED",
}
_GRAVE = {"PG_DAMAGED", "OSD_SCRUB_ERRORS", "OBJECT_UNFOUND", "POOL_FULL", "FS_DAMAGED", "MDS_ALL_DOWN"}


@check(
    "ceph.health",
    N_("Ceph complains"),
    severity=Severity.WARNING,
    remedy=N_("See: ceph health detail; each code has a page in Ceph's own documentation (health checks)."),
    under=("ceph.osd-down",),
)
def health(state: CephHealth) -> Iterable[Finding]:
    """Every code of ``ceph health detail`` that no check of ours tells better. Muted ones are infos: somebody knows."""
    for c in state.codes:
        if c.code in _OWN and not c.muted:
            continue
        grave = c.severity == "HEALTH_ERR" or c.code in _GRAVE
        yield found(
            c.code,
            N_("{code}: {summary}"),
            evidence=["ceph health detail", *c.details[:10]],
            severity=Severity.INFO if c.muted else Severity.CRITICAL if grave else None,
            code=c.code,
            summary=c.summary,
        )
