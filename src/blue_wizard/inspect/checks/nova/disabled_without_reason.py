"""Services that somebody disabled without saying why."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import ComputeServices
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["disabled_without_reason"]


@check(
    "nova.disabled-without-reason",
    N_("Nova service is disabled without a reason"),
    severity=Severity.INFO,
    remedy=N_("Find out who disabled it, then: openstack compute service set --enable {where} {binary}"),
    profile=Profile.DAILY,
)
def disabled_without_reason(services: ComputeServices) -> Iterable[Finding]:
    """A host that is empty on purpose has a reason; one without is capacity that nobody remembers."""
    for s in services.rows:
        if not s.enabled and not s.reason:
            yield found(
                f"{s.binary}@{s.host}",
                N_("{binary} on {where} is disabled, and nobody has said why."),
                host=s.host,
                evidence=[f"GET /os-services: {s.binary} {s.host} disabled, disabled_reason empty"],
                binary=s.binary,
                where=s.host,
            )
