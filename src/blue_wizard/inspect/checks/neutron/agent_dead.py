"""Agents of Neutron that do not report."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.network import Agents
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["agent_dead"]


@check(
    "neutron.agent-dead",
    N_("Neutron agent is dead"),
    severity=Severity.WARNING,
    remedy=N_("Look at the agent's log on {where}, and at its way to RabbitMQ; then restart it there."),
    under=("host.unreachable",),
)
def agent_dead(agents: Agents) -> Iterable[Finding]:
    """Critical where all of its kind are dead. What is plugged already goes on; nothing new is plugged there."""
    for a in agents.rows:
        if a.alive or not a.enabled:
            continue
        alone = not any(o.alive and o.enabled and o.kind == a.kind for o in agents.rows)
        yield found(
            f"{a.kind}@{a.host}",
            N_("The {kind} on {where} does not report any more."),
            host=a.host,
            evidence=[f"GET /agents: {a.kind} {a.host} alive false, heartbeat {a.heartbeat:.0f}"],
            severity=Severity.CRITICAL if alone else None,
            kind=a.kind,
            where=a.host,
        )
