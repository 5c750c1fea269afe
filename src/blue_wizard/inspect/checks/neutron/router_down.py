"""Routers that should work and do not."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.network import Routers
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["router_down"]


@check(
    "neutron.router-down",
    N_("Router is not active"),
    severity=Severity.WARNING,
    remedy=N_("Look at the L3 agents that hold it (openstack network agent list --router {id}), and at their logs."),
    under=("neutron.agent-dead",),
    reread=True,
)
def router_down(routers: Routers) -> Iterable[Finding]:
    """Its networks have no way out."""
    for r in routers.rows:
        if r.enabled and r.status not in {"ACTIVE", "ALLOCATING"}:
            yield found(
                r.id,
                N_("Router {name} is {status}."),
                evidence=[f"GET /routers: {r.id} admin_state_up true, status {r.status}"],
                name=r.name or r.id,
                status=r.status,
                id=r.id,
            )
