"""Queues that do not work."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.rabbitmq import RabbitQueues
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["queue_down"]


@check(
    "rabbitmq.queue-down",
    N_("Queue does not work"),
    severity=Severity.CRITICAL,
    remedy=N_(
        "Start the node that holds {queue}; a queue that is lost for good is deleted, and made anew by its service."
    ),
    under=("rabbitmq.node-missing", "rabbitmq.partition"),
    reread=True,
)
def queue_down(queues: RabbitQueues) -> Iterable[Finding]:
    """Its state is down, crashed, stopped or minority: calls into it end in time-outs."""
    for q in queues.rows:
        if q.state in {"down", "crashed", "stopped", "minority"}:
            yield found(
                q.label,
                N_("Queue {queue} is {state}."),
                evidence=[f"rabbitmqctl list_queues: state {q.state}"],
                queue=q.label,
                state=q.state,
            )
