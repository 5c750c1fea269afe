"""Volumes that a running server should have and has not."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Migrations, Servers
from blue_wizard.facts.domains import HypervisorDomains
from blue_wizard.facts.volume import Volumes
from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["volume_not_in_domain"]


@check(
    "cross.volume-not-in-domain",
    N_("Running server lacks a volume"),
    severity=Severity.WARNING,
    remedy=N_("Detach and attach the volume, or reboot the server hard: openstack server reboot --hard {server}"),
    under=("cross.wrong-host", "cross.server-twice", "cross.attachment-disagree"),
    reread=True,
)
def volume_not_in_domain(
    servers: Servers, volumes: Volumes, domains: Everywhere[HypervisorDomains], migrations: Migrations
) -> Iterable[Finding]:
    """Nova and Cinder agree that it is attached; the domain has no disk with its id as serial number."""
    for s in servers.rows:
        known = domains.of(s.host) if s.host else None
        d = known.by_uuid.get(s.id) if known else None
        if d is None or not d.runs or not s.settled or s.id in migrations.moving:
            continue
        for volume in s.volumes:
            v = volumes.by_id.get(volume)
            if v and v.status == "in-use" and s.id in v.servers and volume not in d.serials:
                yield found(
                    f"{s.id}:{volume}",
                    N_("Server {name} should have volume {volume}; its domain has no such disk."),
                    host=s.host,
                    evidence=[f"virsh dumpxml on {s.host}: serials {', '.join(d.serials) or 'none'}"],
                    name=s.label,
                    server=s.id,
                    volume=v.label,
                )
