"""Snapshots in error, or whose state of passage does not end."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.volume import Snapshots
from blue_wizard.inspect.model import Finding, Now, Severity, check, found
from blue_wizard.text import N_

__all__ = ["snapshot_trouble"]

_STUCK_S = 1800


@check(
    "cinder.snapshot-trouble",
    N_("Snapshot is in error, or hangs"),
    severity=Severity.WARNING,
    remedy=N_(
        "Look for {id} in the log of cinder-volume; a snapshot with clones can't be deleted before they are flattened."
    ),
)
def snapshot_trouble(snapshots: Snapshots, now: Now) -> Iterable[Finding]:
    """error and error_deleting at once; creating, deleting and the like after half an hour."""
    for s in snapshots.rows:
        age = now.at - (s.updated or s.created)
        stuck = s.status in {"creating", "deleting", "backing-up", "restoring", "unmanaging"} and age > _STUCK_S
        if s.status.startswith("error") or stuck:
            yield found(
                s.id,
                N_("Snapshot {id} of volume {volume} is {status}."),
                evidence=[f"GET /snapshots/detail: status {s.status}, updated {age:.0f} s ago"],
                id=s.id,
                volume=s.volume,
                status=s.status,
            )
