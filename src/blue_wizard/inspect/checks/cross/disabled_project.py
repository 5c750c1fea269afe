"""Projects that are disabled and still have servers that run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blue_wizard.facts.compute import Servers
from blue_wizard.facts.identity import Projects
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["disabled_project"]


@check(
    "cross.disabled-project",
    N_("A disabled project has servers that run"),
    severity=Severity.INFO,
    remedy=N_("Enable project {name} again, or stop what is in it."),
    profile=Profile.WEEKLY,
)
def disabled_project(projects: Projects, servers: Servers) -> Iterable[Finding]:
    """Nobody may manage them any more."""
    running = Counter(s.project for s in servers.rows if s.status == "ACTIVE")
    for p in projects.rows:
        if not p.enabled and running[p.id]:
            yield found(
                p.id,
                N_("Project {name} is disabled, and {count} servers of it run."),
                evidence=[s.label for s in servers.rows if s.project == p.id][:10],
                name=p.name,
                count=running[p.id],
            )
