"""Queues that nobody reads."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.rabbitmq import RabbitQueues
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["no_consumer"]

_NOTIFICATIONS = ("notifications", "versioned_notifications", "event", "metering")


@check(
    "rabbitmq.no-consumer",
    N_("Nobody reads a queue that has messages"),
    severity=Severity.WARNING,
    remedy=N_("Find out which service should read {queue}: start it, or delete the queue when its service is gone."),
    under=("nova.service-down", "neutron.agent-dead", "cinder.service-down"),
    reread=True,
)
def no_consumer(queues: RabbitQueues) -> Iterable[Finding]:
    """Messages ready and no consumer, twice. Replies and fan-outs to processes that have ended expire by themselves;
    notifications have
    a check of their own."""
    for q in queues.rows:
        if (
            q.ready
            and not q.consumers
            and not q.name.startswith(("reply_", *_NOTIFICATIONS))
            and "_fanout_" not in q.name
        ):
            yield found(
                q.label,
                N_("{count} messages wait in queue {queue}, which nobody reads."),
                evidence=["rabbitmqctl list_queues", f"ready {q.ready}, consumers 0"],
                count=q.ready,
                queue=q.label,
            )
