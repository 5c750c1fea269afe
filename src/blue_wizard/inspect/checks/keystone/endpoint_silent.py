"""Endpoints of the catalogue that do not answer."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.identity import Endpoints
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["endpoint_silent"]


@check(
    "keystone.endpoint-silent",
    N_("API endpoint does not answer"),
    severity=Severity.WARNING,
    remedy=N_("Look at the service {service} behind {url}, and at the load balancer in front of it."),
)
def endpoint_silent(endpoints: Endpoints) -> Iterable[Finding]:
    """No answer in 5 s, or a status of 500 and above, at its root. Critical where no endpoint of the service answers. An admin or
    internal endpoint may be out of reach from here by design; then waive it."""
    for e in endpoints.rows:
        if not e.enabled or 0 < e.answer < 500:
            continue
        alone = not any(o.enabled and 0 < o.answer < 500 for o in endpoints.rows if o.service == e.service)
        yield found(
            e.id,
            N_("The {interface} endpoint of {service} does not answer at {url}: {answer}"),
            evidence=[f"GET {e.url}: {e.answer or e.error}"],
            severity=Severity.CRITICAL if alone else None,
            interface=e.interface,
            service=e.name or e.service,
            url=e.url,
            answer=e.answer or e.error,
        )
