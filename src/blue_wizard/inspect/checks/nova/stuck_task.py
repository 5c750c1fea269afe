"""Servers whose task does not end."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Servers
from blue_wizard.inspect.model import Finding, Now, Severity, check, found
from blue_wizard.text import N_

__all__ = ["stuck_task"]

_STUCK_S = 3600


@check(
    "nova.stuck-task",
    N_("Server hangs in a task"),
    severity=Severity.WARNING,
    remedy=N_(
        "Look for {id} in the log of nova-compute on its host; when nothing works on it any more: openstack "
        "server set --state active {id}"
    ),
    under=("nova.service-down",),
)
def stuck_task(servers: Servers, now: Now) -> Iterable[Finding]:
    """A task of more than an hour: no more is being done, but nothing else may be done to the server either."""
    for s in servers.rows:
        age = now.at - s.updated
        if s.task and s.updated and age > _STUCK_S and s.status != "BUILD":
            yield found(
                s.id,
                N_("Server {name} has been in task {task} for {hours} h."),
                host=s.host,
                evidence=[f"GET /servers/detail: task_state {s.task}, updated {age:.0f} s ago"],
                name=s.label,
                id=s.id,
                task=s.task,
                hours=f"{age / 3600:.1f}",
            )
