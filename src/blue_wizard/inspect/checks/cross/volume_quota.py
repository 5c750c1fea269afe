"""Projects whose quota counts other volumes than they have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blue_wizard.facts.volume import Volumes
from blue_wizard.inspect.fetch.quota import VolumeQuotas
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["volume_quota"]


@check(
    "cross.volume-quota",
    N_("Cinder's quota counts wrongly"),
    severity=Severity.WARNING,
    remedy=N_("Set it right: cinder-manage quota sync --project-id {project}"),
    profile=Profile.WEEKLY,
    reread=True,
)
def volume_quota(quotas: VolumeQuotas, volumes: Volumes) -> Iterable[Finding]:
    """The quota's counter of volumes differs from how many there are: a project is refused although it has room, or gets
    more than it may.
    Projects in which a volume is just being made or deleted are left out."""
    counts = Counter(v.project for v in volumes.rows)
    busy = {v.project for v in volumes.rows if not v.settled}
    for project, used in sorted(quotas.volumes.items()):
        if project not in busy and used != counts[project]:
            yield found(
                project,
                N_("Project {project} has {count} volumes; its quota counts {used}."),
                evidence=[f"GET /os-quota-sets/{project}?usage=true: volumes in_use {used}"],
                project=project,
                count=counts[project],
                used=used,
            )
