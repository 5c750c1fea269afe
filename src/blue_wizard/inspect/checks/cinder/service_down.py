"""Services of Cinder that should run and do not report."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.volume import VolumeServices
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["service_down"]


@check(
    "cinder.service-down",
    N_("Cinder service is down"),
    severity=Severity.WARNING,
    remedy=N_(
        "Look at the log of {binary} on {where}, at its way to RabbitMQ and the database, and for "
        "cinder-volume to its storage."
    ),
    under=("host.unreachable",),
)
def service_down(services: VolumeServices) -> Iterable[Finding]:
    """Critical where it was the last one of its kind. A service is down after `service_down_time` without a report."""
    for s in services.rows:
        if s.up or not s.enabled:
            continue
        alone = not any(o.up and o.enabled and o.binary == s.binary for o in services.rows)
        yield found(
            f"{s.binary}@{s.host}",
            N_("{binary} on {where} is enabled, but does not report any more."),
            host=s.host.partition("@")[0],
            evidence=[f"GET /os-services: {s.binary} {s.host} enabled, down, updated_at {s.updated:.0f}"],
            severity=Severity.CRITICAL if alone else None,
            binary=s.binary,
            where=s.host,
        )
