"""Members of the cluster that do not run."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.rabbitmq import RabbitNode
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["node_missing"]


@check(
    "rabbitmq.node-missing",
    N_("RabbitMQ node is missing"),
    severity=Severity.WARNING,
    remedy=N_("Start RabbitMQ on {missing}; when it is gone for good: rabbitmqctl forget_cluster_node {missing}"),
    under=("host.unreachable",),
)
def node_missing(node: RabbitNode) -> Iterable[Finding]:
    """Critical where the majority is gone: then quorum queues stand still."""
    gone = sorted(set(node.members) - set(node.running))
    if gone:
        grave = len(node.running) * 2 <= len(node.members)
        yield found(
            node.name or "rabbitmq",
            N_("Of {count} nodes of RabbitMQ these do not run: {missing}"),
            evidence=[f"rabbitmqctl cluster_status: running {', '.join(node.running)}"],
            severity=Severity.CRITICAL if grave else None,
            count=len(node.members),
            missing=", ".join(gone),
        )
