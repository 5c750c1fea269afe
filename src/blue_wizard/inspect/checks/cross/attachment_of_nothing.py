"""Attachments of volumes to servers that are gone."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Servers
from blue_wizard.facts.volume import Attachments, Volumes
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["attachment_of_nothing"]


@check(
    "cross.attachment-of-nothing",
    N_("Volume is attached to a server that is gone"),
    severity=Severity.WARNING,
    remedy=N_("Make sure that nothing has it open (rbd status), then: openstack volume attachment delete {attachment}"),
    reread=True,
)
def attachment_of_nothing(attachments: Attachments, volumes: Volumes, servers: Servers) -> Iterable[Finding]:
    """Cinder's record names a server that is in no project: the volume can neither be attached nor deleted."""
    for a in attachments.rows:
        v = volumes.by_id.get(a.volume)
        if a.server and a.server not in servers.by_id and (v is None or v.settled):
            yield found(
                a.id,
                N_("Volume {volume} is attached to server {server}, which is gone."),
                evidence=[f"GET /attachments/detail: {a.id} {a.status}", "GET /servers/detail: not there"],
                volume=v.label if v else a.volume,
                server=a.server,
                attachment=a.id,
            )
