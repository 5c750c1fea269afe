"""Volumes that nobody has used for long."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.volume import Volumes
from blue_wizard.inspect.model import Finding, Now, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["idle_volumes"]

_MONTH_S = 30 * 86400


@check(
    "cinder.idle-volumes",
    N_("Volume has been attached to nothing for a month"),
    severity=Severity.INFO,
    remedy=N_("Ask project {project}; a volume that is needed no more frees {size} GiB."),
    profile=Profile.WEEKLY,
)
def idle_volumes(volumes: Volumes, now: Now) -> Iterable[Finding]:
    """available, and unchanged for 30 days."""
    for v in volumes.rows:
        age = now.at - (v.updated or v.created)
        if v.status == "available" and age > _MONTH_S:
            yield found(
                v.id,
                N_("Volume {name} of project {project} ({size} GiB) has been attached to nothing for {days} d."),
                evidence=[f"GET /volumes/detail: status available, updated {age:.0f} s ago"],
                name=v.label,
                project=v.project,
                size=v.size,
                days=round(age / 86400),
            )
