"""Backups that failed."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.volume import Backups
from blue_wizard.inspect.model import Finding, Now, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["backup_failed"]

_WEEK_S = 7 * 86400


@check(
    "cinder.backup-failed",
    N_("Backup failed"),
    severity=Severity.WARNING,
    remedy=N_("Read the reason, then run the backup of volume {volume} again."),
    profile=Profile.DAILY,
)
def backup_failed(backups: Backups, now: Now) -> Iterable[Finding]:
    """Those of the last week whose volume has no newer backup that succeeded."""
    good: dict[str, float] = {}
    for b in backups.rows:
        if b.status == "available":
            good[b.volume] = max(good.get(b.volume, 0.0), b.created)
    for b in backups.rows:
        if b.status.startswith("error") and now.at - b.created < _WEEK_S and good.get(b.volume, 0.0) < b.created:
            yield found(
                b.id,
                N_("Backup {id} of volume {volume} is {status}: {reason}"),
                evidence=[f"GET /backups/detail: {b.id} {b.status}"],
                id=b.id,
                volume=b.volume,
                status=b.status,
                reason=b.reason or "-",
            )
