"""Agents that somebody has disabled."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.network import Agents
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["agent_disabled"]


@check(
    "neutron.agent-disabled",
    N_("Neutron agent is disabled"),
    severity=Severity.INFO,
    remedy=N_("Find out who disabled it, then: openstack network agent set --enable {id}"),
    profile=Profile.DAILY,
)
def agent_disabled(agents: Agents) -> Iterable[Finding]:
    """Nothing new is scheduled to it."""
    for a in agents.rows:
        if not a.enabled:
            yield found(
                f"{a.kind}@{a.host}",
                N_("The {kind} on {where} is disabled."),
                host=a.host,
                evidence=[f"GET /agents: {a.id} admin_state_up false"],
                kind=a.kind,
                where=a.host,
                id=a.id,
            )
