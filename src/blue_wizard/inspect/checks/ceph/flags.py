"""Flags that keep Ceph from healing itself."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephMap
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["flags"]

_GRAVE = {"pauserd", "pausewr", "full"}
_WARN = {
    "noout",
    "norebalance",
    "nobackfill",
    "norecover",
    "noscrub",
    "nodeep-scrub",
    "noin",
    "noup",
    "nodown",
    "nosnaptrim",
}


@check(
    "ceph.flags",
    N_("A flag keeps Ceph from working or healing"),
    severity=Severity.WARNING,
    remedy=N_("When the maintenance that set it is over: ceph osd unset {flag}"),
)
def flags(osd_map: CephMap) -> Iterable[Finding]:
    """noout and the like are set for maintenance, and forgotten. pause and full stop all clients: critical."""
    for flag in sorted(osd_map.flags & (_WARN | _GRAVE)):
        yield found(
            flag,
            N_("The flag {flag} is set."),
            evidence=["ceph osd dump: flags"],
            severity=Severity.CRITICAL if flag in _GRAVE else None,
            flag=flag,
        )
