"""Endpoints that answer slowly."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.identity import Endpoints
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["endpoint_slow"]

_SLOW_S = 3.0


@check(
    "keystone.endpoint-slow",
    N_("API endpoint answers slowly"),
    severity=Severity.WARNING,
    remedy=N_("Look at the load of the controllers, at the workers of {service}, and at the database."),
    under=("keystone.endpoint-silent",),
    reread=True,
)
def endpoint_slow(endpoints: Endpoints) -> Iterable[Finding]:
    """More than 3 s for its version document, twice in a row: that needs neither the database nor a token."""
    for e in endpoints.rows:
        if e.enabled and e.answer and e.took_s > _SLOW_S:
            yield found(
                e.id,
                N_("The {interface} endpoint of {service} answers in more than {limit} s."),
                evidence=[f"GET {e.url}: {e.answer} in {e.took_s:.1f} s"],
                interface=e.interface,
                service=e.name or e.service,
                limit=f"{_SLOW_S:g}",
            )
