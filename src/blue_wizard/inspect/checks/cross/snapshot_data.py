"""A snapshot that one of both systems does not know."""

from __future__ import annotations

import re
from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import RbdSnapshots
from blue_wizard.facts.volume import Snapshots, Volumes
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["snapshot_data"]

_NAME = re.compile(r"snapshot-([0-9a-f-]{36})$")


@check(
    "cross.snapshot-data",
    N_("Snapshot is in Cinder or in Ceph alone"),
    severity=Severity.WARNING,
    remedy=N_(
        "Look at it with: rbd snap ls POOL/{image}. One without data can't be restored from: tell its "
        "owner, then delete the record. One without a record is removed by: rbd snap unprotect; rbd snap "
        "rm."
    ),
    profile=Profile.WEEKLY,
    reread=True,
)
def snapshot_data(snapshots: Snapshots, volumes: Volumes, images: RbdSnapshots) -> Iterable[Finding]:
    """Volumes that are being worked on are left out, as are images that were not found: another check tells those."""
    known = {s.id for s in snapshots.rows}
    for s in snapshots.rows:
        v = volumes.by_id.get(s.volume)
        names = images.names.get(v.image) if v else None
        if v and v.settled and s.status == "available" and names is not None and f"snapshot-{s.id}" not in names:
            yield found(
                s.id,
                N_("Snapshot {id} of volume {volume} is available, but {image} has no such snapshot."),
                evidence=[
                    "GET /snapshots/detail: available",
                    f"rbd snap ls {v.image}: {', '.join(sorted(names)) or 'none'}",
                ],
                id=s.id,
                volume=v.label,
                image=v.image,
            )
    settled = {v.image for v in volumes.rows if v.settled}
    for image, names in sorted(images.names.items()):
        for made in filter(None, map(_NAME.match, sorted(names))):
            if image in settled and made[1] not in known:
                yield found(
                    f"{image}@{made[0]}",
                    N_("{image} has a snapshot {id} that Cinder does not know."),
                    evidence=[f"rbd snap ls {image}: {made[0]}", "GET /snapshots/detail: not there"],
                    id=made[1],
                    image=image,
                )
