"""Ports of running servers that are not up."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Migrations, Servers
from blue_wizard.facts.network import Ports
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["port_down"]


@check(
    "neutron.port-down",
    N_("Port of a running server is down"),
    severity=Severity.WARNING,
    remedy=N_("Find the hop at which it is lost: blue-wizard diagnose network {server}"),
    under=("host.unreachable", "neutron.agent-dead", "nova.service-down"),
    reread=True,
)
def port_down(ports: Ports, servers: Servers, migrations: Migrations) -> Iterable[Finding]:
    """The agent has not reported it as wired. Ports that their owner switched off are meant to be down."""
    for p in ports.rows:
        s = servers.by_id.get(p.device) if p.of_server else None
        if (
            s
            and s.status == "ACTIVE"
            and s.settled
            and s.id not in migrations.moving
            and p.enabled
            and p.status == "DOWN"
            and p.vif not in {"unbound", "binding_failed"}
        ):
            yield found(
                p.id,
                N_("Port {port} of server {name} on {where} is DOWN."),
                host=p.host,
                evidence=[f"GET /ports: status DOWN, binding:vif_type {p.vif}"],
                port=p.id,
                name=s.label,
                server=s.id,
                where=p.host,
            )
