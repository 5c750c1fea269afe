"""Servers in ERROR."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Servers
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["server_error"]


@check(
    "nova.server-error",
    N_("Server is in ERROR"),
    severity=Severity.WARNING,
    remedy=N_(
        "Read the fault (openstack server show {id}); then rebuild, reset its state, or delete it with its owner's consent."
    ),
)
def server_error(servers: Servers) -> Iterable[Finding]:
    """Its owner sees a machine that does not work."""
    for s in servers.rows:
        if s.status == "ERROR":
            yield found(
                s.id,
                N_("Server {name} is in ERROR: {fault}"),
                host=s.host,
                evidence=[f"GET /servers/detail: status ERROR, vm_state {s.vm_state}, task_state {s.task or 'none'}"],
                name=s.label,
                id=s.id,
                fault=s.fault or "-",
            )
