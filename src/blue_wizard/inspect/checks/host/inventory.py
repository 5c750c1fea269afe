"""Origins of hosts that could not be asked."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.inspect.fetch.origins import HostOrigins
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["inventory"]


@check(
    "host.inventory",
    N_("Hosts may be missing from the inspection"),
    severity=Severity.WARNING,
    remedy=N_("Mend the inventory: blue-wizard hosts tells what is known, blue-wizard doctor what is wrong."),
)
def inventory(origins: HostOrigins) -> Iterable[Finding]:
    """Hosts come from the configuration, Ansible, Ceph's orchestrator and Nova. What one of them alone knows is not
    looked at while it does not
    answer, and nothing else would tell so."""
    for origin, why in origins.failed:
        yield found(
            origin,
            N_("The hosts of {origin} are not known: {why}"),
            evidence=[f"{origin}: {why}"],
            origin=origin,
            why=why,
        )
