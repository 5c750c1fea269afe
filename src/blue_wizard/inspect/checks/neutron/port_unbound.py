"""Ports of running servers that are bound to no host."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Migrations, Servers
from blue_wizard.facts.network import Ports
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["port_unbound"]


@check(
    "neutron.port-unbound",
    N_("Port of a running server is not bound"),
    severity=Severity.WARNING,
    remedy=N_("Detach the port from the server and attach it again: openstack server remove port {server} {port}"),
    reread=True,
)
def port_unbound(ports: Ports, servers: Servers, migrations: Migrations) -> Iterable[Finding]:
    """The server runs, but this card of it is plugged nowhere."""
    for p in ports.rows:
        s = servers.by_id.get(p.device) if p.of_server else None
        if s and s.status == "ACTIVE" and s.settled and s.id not in migrations.moving and p.vif == "unbound":
            yield found(
                p.id,
                N_("Port {port} of server {name} is bound to no host."),
                host=s.host,
                evidence=["GET /ports: binding:vif_type unbound"],
                port=p.id,
                name=s.label,
                server=s.id,
            )
