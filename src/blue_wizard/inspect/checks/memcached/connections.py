"""Caches that refuse connections."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.memcached import Memcached
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["connections"]

_WARN = 0.80


@check(
    "memcached.connections",
    N_("memcached runs out of connections"),
    severity=Severity.WARNING,
    remedy=N_("Raise its limit (-c): whoever is refused validates every token anew at Keystone."),
    profile=Profile.DAILY,
)
def connections(server: Memcached) -> Iterable[Finding]:
    """80 % of its connections in use, or some were refused since its start."""
    now, most = server.connections
    if (most and now >= _WARN * most) or server.refused:
        yield found(
            "memcached",
            N_("memcached has {now} of {most} connections, and refused {refused} times."),
            evidence=[f"stats: curr_connections {now}, max_connections {most}, listen_disabled_num {server.refused}"],
            now=now,
            most=most,
            refused=server.refused,
        )
