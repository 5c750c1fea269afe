"""Floating IPs that lead to a port that is gone."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.network import FloatingIps, Ports, Routers
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["floating_of_nothing"]


@check(
    "cross.floating-of-nothing",
    N_("Floating IP leads nowhere"),
    severity=Severity.WARNING,
    remedy=N_("Take it off, and give it to the right port: openstack floating ip unset --port {address}"),
    reread=True,
)
def floating_of_nothing(floating: FloatingIps, ports: Ports, routers: Routers) -> Iterable[Finding]:
    """Its port or its router is not there."""
    known = {r.id for r in routers.rows}
    for f in floating.rows:
        lost = (
            "port" if f.port and f.port not in ports.by_id else "router" if f.router and f.router not in known else ""
        )
        if lost:
            yield found(
                f.id,
                N_("Floating IP {address} leads to {kind} {id}, which is gone."),
                evidence=[f"GET /floatingips: port_id {f.port}, router_id {f.router}"],
                address=f.address,
                kind=lost,
                id=f.port if lost == "port" else f.router,
            )
