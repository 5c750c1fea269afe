"""Public endpoints without TLS."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.identity import Endpoints
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["plain_http"]


@check(
    "keystone.plain-http",
    N_("Public API is not encrypted"),
    severity=Severity.INFO,
    remedy=N_("Put TLS in front of the public endpoints: tokens and passwords cross the network in the clear."),
    profile=Profile.WEEKLY,
)
def plain_http(endpoints: Endpoints) -> Iterable[Finding]:
    """http:// on an interface that is for tenants."""
    for e in endpoints.rows:
        if e.enabled and e.interface == "public" and e.url.startswith("http://"):
            yield found(
                e.id,
                N_("{service} is reached at {url}, without TLS."),
                evidence=[e.url],
                service=e.name or e.service,
                url=e.url,
            )
