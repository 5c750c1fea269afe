"""Queues that are read too slowly."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.rabbitmq import RabbitQueues
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["backlog"]

_WARN, _GRAVE = 1000, 10000


@check(
    "rabbitmq.backlog",
    N_("Messages pile up in a queue"),
    severity=Severity.WARNING,
    remedy=N_("See why the readers of {queue} are slow: their host's load, the database, too few workers."),
    under=("rabbitmq.no-consumer",),
    reread=True,
)
def backlog(queues: RabbitQueues) -> Iterable[Finding]:
    """1,000 messages ready or unacknowledged (critical: 10,000 ready) in a queue that is read."""
    for q in queues.rows:
        if q.consumers and max(q.ready, q.unacknowledged) >= _WARN:
            yield found(
                q.label,
                N_("{ready} messages wait in queue {queue}, {open} are being worked on."),
                evidence=[f"rabbitmqctl list_queues: consumers {q.consumers}"],
                severity=Severity.CRITICAL if q.ready >= _GRAVE else None,
                ready=q.ready,
                open=q.unacknowledged,
                queue=q.label,
            )
