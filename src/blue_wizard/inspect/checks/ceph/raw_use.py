"""Clusters that fill up."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephUse
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["raw_use"]

_WARN, _GRAVE = 0.70, 0.80


@check(
    "ceph.raw-use",
    N_("Ceph cluster fills up"),
    severity=Severity.WARNING,
    remedy=N_("Order disks now; reclaim snapshots, the trash and images that belong to nothing meanwhile."),
)
def raw_use(use: CephUse) -> Iterable[Finding]:
    """70 % of the raw space (critical: 80 %). No cluster is evenly full: the fullest OSD is ahead of this number."""
    share = use.used / use.total if use.total else 0.0
    if share >= _WARN:
        yield found(
            "raw",
            N_("{percent} of the raw space are used."),
            evidence=[f"ceph df: total_used_raw_bytes {use.used}, total_bytes {use.total}"],
            severity=Severity.CRITICAL if share >= _GRAVE else None,
            percent=f"{round(share * 100)} %",
        )
