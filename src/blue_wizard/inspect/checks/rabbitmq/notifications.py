"""Queues of notifications that nobody reads, and that grow for ever."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.rabbitmq import RabbitQueues
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["notifications"]

_MANY = 10000
_NAMES = ("notifications", "versioned_notifications", "event", "metering")


@check(
    "rabbitmq.notifications",
    N_("Notifications pile up"),
    severity=Severity.WARNING,
    remedy=N_(
        "Let something read {queue} (Ceilometer, say), or switch notifications off in the services, then purge it."
    ),
    profile=Profile.DAILY,
)
def notifications(queues: RabbitQueues) -> Iterable[Finding]:
    """10,000 messages: memory and disk of every node fill up, slowly."""
    for q in queues.rows:
        if q.name.startswith(_NAMES) and q.ready >= _MANY:
            yield found(
                q.label,
                N_("{count} notifications wait in queue {queue}."),
                evidence=[f"rabbitmqctl list_queues: ready {q.ready}, consumers {q.consumers}"],
                count=q.ready,
                queue=q.label,
            )
