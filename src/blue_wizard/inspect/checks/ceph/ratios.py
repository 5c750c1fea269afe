"""Full ratios that were raised."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephMap
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["ratios"]


@check(
    "ceph.ratios",
    N_("Ceph's full ratios were raised"),
    severity=Severity.WARNING,
    remedy=N_(
        "Put them back once there is room: ceph osd set-nearfull-ratio 0.85; set-backfillfull-ratio 0.90; "
        "set-full-ratio 0.95"
    ),
    profile=Profile.DAILY,
)
def ratios(osd_map: CephMap) -> Iterable[Finding]:
    """Above 0.85, 0.90, 0.95: raised in an emergency, they leave no room for the next one."""
    for name, value, usual in (
        ("nearfull", osd_map.nearfull, 0.85),
        ("backfillfull", osd_map.backfillfull, 0.90),
        ("full", osd_map.full, 0.95),
    ):
        if value > usual + 0.001:
            yield found(
                name,
                N_("The {name} ratio is {value}, above {usual}."),
                evidence=["ceph osd dump"],
                name=name,
                value=value,
                usual=usual,
            )
