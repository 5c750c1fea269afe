"""Caches that everybody may write into."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import Listeners
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["exposed"]


@check(
    "memcached.exposed",
    N_("memcached listens on every address"),
    severity=Severity.INFO,
    remedy=N_("Bind memcached to the management address (-l) and switch UDP off (-U 0): it knows no password."),
    profile=Profile.WEEKLY,
)
def exposed(listeners: Listeners) -> Iterable[Finding]:
    """Port 11211 on all addresses. Over UDP it is also a weapon against others: then it is a warning."""
    for one in listeners.rows:
        if one.port == 11211 and one.everywhere:
            yield found(
                f"{one.protocol} {one.address}:{one.port}",
                N_("memcached listens on {address}:{port} ({protocol})."),
                evidence=[f"ss -lntup: {one.protocol} {one.address}:{one.port}"],
                severity=Severity.WARNING if one.protocol == "udp" else None,
                address=one.address,
                port=one.port,
                protocol=one.protocol,
            )
