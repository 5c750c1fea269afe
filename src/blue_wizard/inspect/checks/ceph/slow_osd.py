"""OSDs that are much slower than their likes."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from blue_wizard.facts.ceph_cluster import CephOsdPerf, CephTree
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["slow_osd"]

_TIMES, _LEAST_MS = 10, 100


@check(
    "ceph.slow-osd",
    N_("OSD is much slower than the others"),
    severity=Severity.WARNING,
    remedy=N_(
        "Look at its disk (smartctl -a, iostat -x 1) and its controller; a dying disk is slow before it "
        "fails. Take it out: ceph osd out {osd}"
    ),
    profile=Profile.DAILY,
    under=("ceph.pg-degraded",),
    reread=True,
)
def slow_osd(perf: CephOsdPerf, tree: CephTree) -> Iterable[Finding]:
    """Its commit latency is 100 ms and ten times the median at least, twice: every write that it takes part in waits for it."""
    if not perf.commit_ms:
        return
    usual = median(perf.commit_ms.values())
    for osd, ms in sorted(perf.commit_ms.items()):
        if ms >= _LEAST_MS and ms >= _TIMES * usual:
            yield found(
                f"osd.{osd}",
                N_("osd.{osd} takes {ms} ms for a write; the median is {usual} ms."),
                host=tree.host_of(osd),
                evidence=[f"ceph osd perf: osd.{osd} commit_latency_ms {ms:.0f}"],
                osd=osd,
                ms=round(ms),
                usual=f"{usual:g}",
            )
