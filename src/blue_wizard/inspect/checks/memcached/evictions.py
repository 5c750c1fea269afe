"""Caches that are too small."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.memcached import Memcached
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["evictions"]

_PER_HOUR = 3600


@check(
    "memcached.evictions",
    N_("memcached throws entries away"),
    severity=Severity.INFO,
    remedy=N_("Give it more memory (-m): tokens that are thrown away early cost a call to Keystone each."),
    profile=Profile.DAILY,
)
def evictions(server: Memcached) -> Iterable[Finding]:
    """More than one a second on the average since its start."""
    hours = server.age_s / 3600
    if hours >= 1 and server.evictions / hours > _PER_HOUR:
        yield found(
            "memcached",
            N_("memcached has thrown away {count} entries before their time."),
            evidence=[f"stats: evictions {server.evictions}, uptime {server.age_s}"],
            count=server.evictions,
        )
