"""A server has a network card whose port Neutron does not know."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Migrations, Servers
from blue_wizard.facts.network import Ports
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["port_missing"]


@check(
    "cross.port-missing",
    N_("Server's port is not in Neutron"),
    severity=Severity.WARNING,
    remedy=N_(
        "Plug it anew: openstack server add network {id} NETWORK; a hard reboot alone does not bring the port back."
    ),
    reread=True,
)
def port_missing(servers: Servers, ports: Ports, migrations: Migrations) -> Iterable[Finding]:
    """By MAC address: what Nova shows of a server that runs, and no port of any project has."""
    known = {p.mac for p in ports.rows}
    for s in servers.rows:
        if s.status not in {"ACTIVE", "PAUSED", "SHUTOFF"} or not s.settled or s.id in migrations.moving:
            continue
        for mac in s.macs:
            if mac not in known:
                yield found(
                    f"{s.id}:{mac}",
                    N_("Server {name} has a network card {mac}; Neutron has no such port."),
                    host=s.host,
                    evidence=[f"GET /servers/detail: addresses with {mac}", "GET /ports: none with it"],
                    name=s.label,
                    id=s.id,
                    mac=mac,
                )
