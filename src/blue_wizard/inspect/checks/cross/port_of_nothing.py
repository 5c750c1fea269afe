"""Ports of servers that are gone."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Servers
from blue_wizard.facts.network import Ports
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["port_of_nothing"]


@check(
    "cross.port-of-nothing",
    N_("Port belongs to a server that is gone"),
    severity=Severity.WARNING,
    remedy=N_(
        "Make sure that there is no server {device}, then: openstack port delete {port} (its address becomes free)."
    ),
    reread=True,
)
def port_of_nothing(ports: Ports, servers: Servers) -> Iterable[Finding]:
    """device_owner is compute:..., and device_id no server."""
    for p in ports.rows:
        if p.of_server and p.device and p.device not in servers.by_id:
            yield found(
                p.id,
                N_("Port {port} ({addresses}) belongs to server {device}, which is gone."),
                host=p.host,
                evidence=[
                    f"GET /ports: device_owner {p.owner}, device_id {p.device}",
                    "GET /servers/detail: not there",
                ],
                port=p.id,
                device=p.device,
                addresses=", ".join(a for _s, a in p.addresses) or p.mac,
            )
