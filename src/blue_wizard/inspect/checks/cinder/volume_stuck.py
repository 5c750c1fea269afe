"""Volumes whose state of passage does not end."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.volume import Volumes
from blue_wizard.inspect.model import Finding, Now, Severity, check, found
from blue_wizard.text import N_

__all__ = ["volume_stuck"]

_STUCK_S = 1800
_PASSING = {
    "creating",
    "attaching",
    "detaching",
    "deleting",
    "downloading",
    "uploading",
    "retyping",
    "extending",
    "backing-up",
    "restoring-backup",
    "reserved",
    "awaiting-transfer",
    "managing",
    "unmanaging",
    "reverting",
} - {"awaiting-transfer"}


@check(
    "cinder.volume-stuck",
    N_("Volume hangs in a state of passage"),
    severity=Severity.WARNING,
    remedy=N_(
        "Look for {id} in the log of cinder-volume; when nothing works on it any more: openstack volume set "
        "--state STATE {id}"
    ),
    under=("cinder.service-down", "cinder.backend-down"),
)
def volume_stuck(volumes: Volumes, now: Now) -> Iterable[Finding]:
    """More than half an hour in a state that something should end."""
    for v in volumes.rows:
        age = now.at - (v.updated or v.created)
        if v.status in _PASSING and age > _STUCK_S:
            yield found(
                v.id,
                N_("Volume {name} has been {status} for {minutes} min."),
                evidence=[f"GET /volumes/detail: status {v.status}, updated {age:.0f} s ago"],
                name=v.label,
                id=v.id,
                status=v.status,
                minutes=round(age / 60),
            )
