"""Servers that should run on hosts that do not answer."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Servers
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["host_status"]


@check(
    "nova.host-status",
    N_("Server's host does not answer"),
    severity=Severity.WARNING,
    remedy=N_(
        "Bring the host back; when it is dead for certain (powered off), evacuate: openstack server evacuate {id}"
    ),
    under=("host.unreachable", "nova.service-down", "nova.hypervisor-down"),
)
def host_status(servers: Servers) -> Iterable[Finding]:
    """`host_status` of an active server. Nobody can say whether it still runs."""
    for s in servers.rows:
        if s.status == "ACTIVE" and s.host_status in {"DOWN", "UNKNOWN"}:
            yield found(
                s.id,
                N_("Server {name} is ACTIVE on {where}, which is {state} for Nova."),
                host=s.host,
                evidence=[f"GET /servers/detail: host_status {s.host_status}"],
                name=s.label,
                id=s.id,
                where=s.host,
                state=s.host_status,
            )
