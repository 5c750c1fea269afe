"""Certificates in files that end soon."""

from __future__ import annotations

import time
from collections.abc import Iterable

from blue_wizard.inspect.fetch.machine import Certificates
from blue_wizard.inspect.model import Finding, Now, Severity, check, found
from blue_wizard.text import N_

__all__ = ["file_expiry"]

_WARN_S, _GRAVE_S = 30 * 86400, 3 * 86400


@check(
    "cert.file-expiry",
    N_("Certificate ends soon"),
    severity=Severity.WARNING,
    remedy=N_("Renew {file} and reload what uses it, on all hosts that have it."),
)
def file_expiry(certificates: Certificates, now: Now) -> Iterable[Finding]:
    """Within 30 days (critical: 3 days, or past): those of libvirt, HAProxy, RabbitMQ, OVN, Octavia, Kubernetes ... at
    their usual places."""
    for file, subject, end in certificates.rows:
        left = end - now.at
        if left < _WARN_S:
            yield found(
                file,
                N_("{file} ends on {day}."),
                evidence=[f"openssl x509: {subject}, notAfter {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(end))}"],
                severity=Severity.CRITICAL if left < _GRAVE_S else None,
                file=file,
                day=time.strftime("%Y-%m-%d", time.gmtime(end)),
            )
