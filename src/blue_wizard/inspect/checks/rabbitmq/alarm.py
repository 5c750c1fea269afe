"""Alarms: RabbitMQ takes no messages."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.rabbitmq import RabbitNode
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["alarm"]


@check(
    "rabbitmq.alarm",
    N_("RabbitMQ blocks publishers"),
    severity=Severity.CRITICAL,
    remedy=N_(
        "Free memory or disk on {where}: find the queue that grows (rabbitmqctl list_queues name messages), "
        "and who should read it."
    ),
)
def alarm(node: RabbitNode) -> Iterable[Finding]:
    """An alarm of memory or disk on one node stops all publishers of the cluster: nothing works in OpenStack."""
    for one in node.alarms:
        yield found(
            one,
            N_("RabbitMQ has an alarm: {alarm}"),
            evidence=["rabbitmqctl cluster_status"],
            alarm=one,
            where=node.name,
        )
