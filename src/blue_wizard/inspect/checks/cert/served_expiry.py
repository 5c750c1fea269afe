"""Certificates of APIs that end soon."""

from __future__ import annotations

import time
from collections.abc import Iterable

from blue_wizard.inspect.fetch.served import ServedCertificates
from blue_wizard.inspect.model import Finding, Now, Severity, check, found
from blue_wizard.text import N_

__all__ = ["served_expiry"]

_WARN_S, _GRAVE_S = 30 * 86400, 3 * 86400


@check(
    "cert.served-expiry",
    N_("An API's certificate ends soon"),
    severity=Severity.WARNING,
    remedy=N_("Renew the certificate of {url} and reload the load balancer."),
)
def served_expiry(served: ServedCertificates, now: Now) -> Iterable[Finding]:
    """Within 30 days (critical: 3 days, or past), as the endpoints of the catalogue show it in a TLS handshake."""
    for url, subject, end in served.rows:
        left = end - now.at
        if left < _WARN_S:
            yield found(
                url,
                N_("The certificate of {url} ends on {day}."),
                evidence=[f"{subject}, notAfter {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(end))}"],
                severity=Severity.CRITICAL if left < _GRAVE_S else None,
                url=url,
                day=time.strftime("%Y-%m-%d", time.gmtime(end)),
            )
