"""Ports whose network card is missing on their host."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Migrations, Servers
from blue_wizard.facts.machine import Cards
from blue_wizard.facts.network import Ports
from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["port_without_tap"]


@check(
    "cross.port-without-tap",
    N_("Port has no network card on its host"),
    severity=Severity.WARNING,
    remedy=N_("Find the hop: blue-wizard diagnose network {server}. A hard reboot plugs the server's cards anew."),
    under=("host.unreachable", "cross.ghost-server", "cross.wrong-host", "cross.power-state", "cross.port-host"),
    reread=True,
)
def port_without_tap(
    ports: Ports, servers: Servers, cards: Everywhere[Cards], migrations: Migrations
) -> Iterable[Finding]:
    """Bound by OVS or a bridge for a server that runs, and the host has no tap of that name (``tap`` and the port's first
    11 characters)."""
    for p in ports.rows:
        s = servers.by_id.get(p.device) if p.of_server else None
        if (
            s is None
            or s.status != "ACTIVE"
            or not s.settled
            or s.id in migrations.moving
            or p.vnic != "normal"
            or p.vif not in {"ovs", "bridge"}
        ):
            continue
        known = cards.of(p.host) if p.host else None
        tap = f"tap{p.id[:11]}"
        if known is not None and tap not in known.names:
            yield found(
                p.id,
                N_("Port {port} of server {name} is bound on {where}, but {tap} is not there."),
                host=p.host,
                evidence=[
                    f"GET /ports: binding:host_id {p.host}, status {p.status}",
                    f"/sys/class/net on {p.host}: no {tap}",
                ],
                port=p.id,
                name=s.label,
                server=s.id,
                where=p.host,
                tap=tap,
            )
