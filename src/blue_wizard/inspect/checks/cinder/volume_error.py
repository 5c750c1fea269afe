"""Volumes in a state of error."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.volume import Volumes
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["volume_error"]


@check(
    "cinder.volume-error",
    N_("Volume is in error"),
    severity=Severity.WARNING,
    remedy=N_(
        "Look for {id} in the log of cinder-volume; then repeat what failed, or: openstack volume set --state"
        " available {id}"
    ),
)
def volume_error(volumes: Volumes) -> Iterable[Finding]:
    """error, error_deleting, error_extending, error_restoring ..."""
    for v in volumes.rows:
        if v.status.startswith("error"):
            yield found(
                v.id,
                N_("Volume {name} is {status}."),
                evidence=[f"GET /volumes/detail: status {v.status}, host {v.host or 'none'}"],
                name=v.label,
                id=v.id,
                status=v.status,
            )
