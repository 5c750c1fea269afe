"""Resources whose project is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blue_wizard.facts.compute import Servers
from blue_wizard.facts.identity import Projects
from blue_wizard.facts.network import FloatingIps, Networks
from blue_wizard.facts.volume import Volumes
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["project_gone"]


@check(
    "cross.project-gone",
    N_("Resources belong to a project that is gone"),
    severity=Severity.WARNING,
    remedy=N_(
        "Find out whose they were, then delete them, or hand the volumes over (openstack volume transfer request create)."
    ),
    profile=Profile.DAILY,
    reread=True,
)
def project_gone(
    projects: Projects, servers: Servers, volumes: Volumes, floating: FloatingIps, networks: Networks
) -> Iterable[Finding]:
    """Servers, volumes, floating IPs and networks. Deleting a project deletes nothing in it. Not asked where Keystone
    cuts its list off."""
    if not projects.whole or not projects.rows:
        return
    kinds = {
        "servers": Counter(s.project for s in servers.rows),
        "volumes": Counter(v.project for v in volumes.rows),
        "floating IPs": Counter(f.project for f in floating.rows),
        "networks": Counter(n.project for n in networks.rows),
    }
    owners = {p for counts in kinds.values() for p in counts} - {""} - set(projects.by_id)
    for owner in sorted(owners):
        held = ", ".join(f"{counts[owner]} {kind}" for kind, counts in kinds.items() if counts[owner])
        yield found(
            owner,
            N_("Project {project} is gone, and still has {held}."),
            evidence=["GET /v3/projects: not there", held],
            project=owner,
            held=held,
        )
