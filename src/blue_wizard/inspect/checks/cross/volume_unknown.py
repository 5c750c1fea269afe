"""Servers with volumes that Cinder does not know."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Servers
from blue_wizard.facts.volume import Volumes
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["volume_unknown"]


@check(
    "cross.volume-unknown",
    N_("Server has a volume that Cinder does not know"),
    severity=Severity.WARNING,
    remedy=N_(
        "Find out what became of volume {volume}. While the server runs its disk works; it will not start again."
    ),
    reread=True,
)
def volume_unknown(servers: Servers, volumes: Volumes) -> Iterable[Finding]:
    """Nova's block device mapping names it, and no project has it."""
    for s in servers.rows:
        for volume in s.volumes:
            if volume not in volumes.by_id and not s.task:
                yield found(
                    f"{s.id}:{volume}",
                    N_("Server {name} has volume {volume}, which Cinder does not know."),
                    host=s.host,
                    evidence=["GET /servers/detail: volumes_attached", "GET /volumes/detail: not there"],
                    name=s.label,
                    volume=volume,
                )
