"""Routers that no living L3 agent holds."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.network import Agents, Routers
from blue_wizard.inspect.fetch.schedule import Hosting
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["router_unscheduled"]


@check(
    "neutron.router-unscheduled",
    N_("No living L3 agent holds the router"),
    severity=Severity.WARNING,
    remedy=N_("Give it to one that lives: openstack network agent add router --l3 AGENT {id}"),
    under=("neutron.agent-dead",),
    reread=True,
)
def router_unscheduled(routers: Routers, agents: Agents, hosting: Hosting) -> Iterable[Finding]:
    """Where there are L3 agents at all (OVN has none). Distributed routers without a gateway need none."""
    alive = {a.id for a in agents.rows if a.kind == "L3 agent" and a.alive}
    if not any(a.kind == "L3 agent" for a in agents.rows):
        return
    for r in routers.rows:
        if not r.enabled or (r.distributed and not r.gateway):
            continue
        holders = {agent for agent, ids in hosting.routers.items() if r.id in ids}
        if not holders & alive:
            yield found(
                r.id,
                N_("Router {name} is on no L3 agent that lives."),
                evidence=[f"GET /agents/ID/l3-routers: {', '.join(sorted(holders)) or 'on no agent'}"],
                name=r.name or r.id,
                id=r.id,
            )
