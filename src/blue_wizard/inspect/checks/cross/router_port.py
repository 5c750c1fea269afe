"""Ports of routers that are gone."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.network import Ports, Routers
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["router_port"]


@check(
    "cross.router-port",
    N_("Port belongs to a router that is gone"),
    severity=Severity.WARNING,
    remedy=N_(
        "Make sure that there is no router {device}; then set its device owner to nothing and delete it: "
        "openstack port delete {port}"
    ),
    reread=True,
)
def router_port(ports: Ports, routers: Routers) -> Iterable[Finding]:
    """device_owner network:router_..., network:ha_router_..., and device_id no router."""
    known = {r.id for r in routers.rows}
    for p in ports.rows:
        if "router_" in p.owner and p.owner.startswith("network:") and p.device and p.device not in known:
            yield found(
                p.id,
                N_("Port {port} ({owner}) belongs to router {device}, which is gone."),
                evidence=[f"GET /ports: device_owner {p.owner}, device_id {p.device}"],
                port=p.id,
                owner=p.owner,
                device=p.device,
            )
