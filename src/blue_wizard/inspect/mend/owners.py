"""Asked again right before anything is touched: does it really belong to nobody?"""

from __future__ import annotations

from blue_wizard.errors import StepFailed
from blue_wizard.facts.volume import Volumes
from blue_wizard.reach.openstack import Cloud
from blue_wizard.text import _

__all__ = ["refuse_migration", "refuse_server", "refuse_volume"]

# From here on a server is shown, as UNKNOWN, whose cell does not answer; before, it would look as if it were gone.
_CELLS = "2.69"


def refuse_server(cloud: Cloud, server: str) -> None:
    """Raises StepFailed when Nova knows a server of this id, in whatever state."""
    version = cloud.microversion("compute", _CELLS)
    if cloud.get("compute", f"/servers/{server}", missing_ok=True, microversion=version) is not None:
        raise StepFailed(
            _("Server {id} is there: what belongs to it is left alone.").format(id=server),
            _("Inspect again: blue-wizard inspect"),
        )


def refuse_migration(cloud: Cloud, uuid: str) -> None:
    """Raises StepFailed when a migration of this id has not ended."""
    for status in ("running", "finished", "preparing", "queued", "accepted", "pre-migrating", "post-migrating"):
        rows = cloud.list("compute", f"/os-migrations?limit=1000&status={status}", "migrations")
        if any(r.get("uuid") == uuid for r in rows):
            raise StepFailed(
                _("Migration {id} is {status}: what belongs to it is left alone.").format(id=uuid, status=status)
            )


def refuse_volume(cloud: Cloud, image: str) -> None:
    """Raises StepFailed when a volume of Cinder's lies in this image, or one is being migrated: its target is listed nowhere."""
    rows = Volumes.parse(cloud.list("block_storage", "/volumes/detail?all_tenants=1&limit=1000", "volumes")).rows
    for v in rows:
        if v.moving or image in {v.image, f"volume-{v.id}"}:
            raise StepFailed(
                _("Volume {id} may lie in {image}: it is left alone.").format(id=v.label, image=image),
                _("Inspect again: blue-wizard inspect"),
            )
