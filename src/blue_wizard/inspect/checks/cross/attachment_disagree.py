"""Volumes on whose attachment Nova and Cinder disagree."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Servers
from blue_wizard.facts.volume import Volumes
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["attachment_disagree"]


@check(
    "cross.attachment-disagree",
    N_("Nova and Cinder disagree on an attachment"),
    severity=Severity.WARNING,
    remedy=N_(
        "See which one is right in the domain (virsh domblklist), then detach where it is wrong: nova "
        "volume-detach, or openstack volume attachment delete."
    ),
    under=("cross.volume-unknown", "cinder.attachment-mismatch"),
    reread=True,
)
def attachment_disagree(servers: Servers, volumes: Volumes) -> Iterable[Finding]:
    """Cinder attaches a volume to a server that does not list it, or the reverse."""
    for v in volumes.rows:
        if not v.settled:
            continue
        for server in v.servers:
            s = servers.by_id.get(server)
            if s and not s.task and s.status not in {"SHELVED_OFFLOADED", "UNKNOWN"} and v.id not in s.volumes:
                yield found(
                    f"{server}:{v.id}",
                    N_("Cinder says that volume {volume} is attached to server {name}; Nova does not."),
                    host=s.host,
                    evidence=[
                        f"GET /volumes/detail: {v.status}, attached to {server}",
                        "GET /servers/detail: not in volumes_attached",
                    ],
                    volume=v.label,
                    name=s.label,
                )
    for s in servers.rows:
        for volume in s.volumes:
            known = volumes.by_id.get(volume)
            if known and known.settled and not s.task and s.id not in known.servers:
                yield found(
                    f"{s.id}:{volume}",
                    N_("Nova says that volume {volume} is attached to server {name}; Cinder does not."),
                    host=s.host,
                    evidence=[
                        "GET /servers/detail: in volumes_attached",
                        f"GET /volumes/detail: {known.status}, not attached to it",
                    ],
                    volume=known.label,
                    name=s.label,
                )
