"""Ports that are bound to another host than their server's."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Migrations, Servers
from blue_wizard.facts.network import Ports
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["port_host"]


@check(
    "cross.port-host",
    N_("Port is bound to another host than its server's"),
    severity=Severity.WARNING,
    remedy=N_("Left by a migration that failed. Detach and attach the port, or live-migrate the server once more."),
    under=("neutron.binding-failed",),
    reread=True,
)
def port_host(ports: Ports, servers: Servers, migrations: Migrations) -> Iterable[Finding]:
    """The network's agent wires it where the server is not."""
    for p in ports.rows:
        s = servers.by_id.get(p.device) if p.of_server else None
        if (
            s
            and s.host
            and p.host
            and p.host != s.host
            and s.status in {"ACTIVE", "PAUSED"}
            and s.settled
            and s.id not in migrations.moving
        ):
            yield found(
                p.id,
                N_("Port {port} of server {name} is bound to {bound}; the server is on {where}."),
                host=s.host,
                evidence=[f"GET /ports: binding:host_id {p.host}", f"GET /servers/detail: host {s.host}"],
                port=p.id,
                name=s.label,
                bound=p.host,
                where=s.host,
            )
