"""Servers that are built for ever."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Servers
from blue_wizard.inspect.model import Finding, Now, Severity, check, found
from blue_wizard.text import N_

__all__ = ["stuck_build"]

_STUCK_S = 1800


@check(
    "nova.stuck-build",
    N_("Server is not getting built"),
    severity=Severity.WARNING,
    remedy=N_("Look for {id} in the logs of nova-scheduler, nova-conductor and of nova-compute on its host."),
    under=("nova.service-down",),
)
def stuck_build(servers: Servers, now: Now) -> Iterable[Finding]:
    """BUILD for more than half an hour: a message was lost, or its image or volume does not come."""
    for s in servers.rows:
        age = now.at - s.created
        if s.status == "BUILD" and s.created and age > _STUCK_S:
            yield found(
                s.id,
                N_("Server {name} has been building for {minutes} min (task {task})."),
                host=s.host,
                evidence=[f"GET /servers/detail: status BUILD, created {age:.0f} s ago"],
                name=s.label,
                id=s.id,
                task=s.task or "-",
                minutes=round(age / 60),
            )
