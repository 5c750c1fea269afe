"""Clusters whose daemons are of different releases."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephVersions
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["versions"]


@check(
    "ceph.versions",
    N_("Ceph's daemons are of different releases"),
    severity=Severity.WARNING,
    remedy=N_(
        "Finish the upgrade: monitors first, then managers, OSDs and the rest; a daemon that was not "
        "restarted runs its old program."
    ),
    profile=Profile.DAILY,
)
def versions(running: CephVersions) -> Iterable[Finding]:
    """``ceph versions``. For the days of an upgrade that is as it should be; then waive it until the day when it ends."""
    if len(running.overall) > 1:
        yield found(
            "versions",
            N_("{count} releases run: {versions}"),
            evidence=[f"{name}: {count} daemons" for name, count in running.overall.items()],
            count=len(running.overall),
            versions=", ".join(sorted(running.overall)),
        )
