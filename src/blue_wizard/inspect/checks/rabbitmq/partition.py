"""Nodes of RabbitMQ that have lost sight of each other."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.rabbitmq import RabbitNode
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["partition"]


@check(
    "rabbitmq.partition",
    N_("RabbitMQ is partitioned"),
    severity=Severity.CRITICAL,
    remedy=N_(
        "Restart the nodes of the smaller side, one after the other; set cluster_partition_handling = pause_minority."
    ),
    under=("host.unreachable",),
)
def partition(node: RabbitNode) -> Iterable[Finding]:
    """Both sides go on, with different queues: calls vanish."""
    if node.partitions:
        yield found(
            node.name or "rabbitmq",
            N_("RabbitMQ is partitioned: {parts}"),
            evidence=["rabbitmqctl cluster_status", *node.partitions],
            parts="; ".join(node.partitions),
        )
