"""Compute services whose host Nova does not offer."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import ComputeServices, Hypervisors
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["service_without_hypervisor"]


@check(
    "nova.service-without-hypervisor",
    N_("Compute service has no hypervisor"),
    severity=Severity.WARNING,
    remedy=N_(
        "Map the host into its cell: nova-manage cell_v2 discover_hosts --verbose; else read the log of "
        "nova-compute on {where}."
    ),
    under=("host.unreachable", "libvirt.silent"),
    reread=True,
)
def service_without_hypervisor(services: ComputeServices, hypervisors: Hypervisors) -> Iterable[Finding]:
    """nova-compute runs and reports, and there is no hypervisor of its host: no cell has it, or libvirt has never answered it."""
    known = {h.host for h in hypervisors.rows}
    for s in services.rows:
        if s.binary == "nova-compute" and s.up and s.enabled and s.host not in known and "ironic" not in s.host:
            yield found(
                f"nova-compute@{s.host}",
                N_("nova-compute on {where} runs, but Nova has no hypervisor there."),
                host=s.host,
                evidence=[f"GET /os-services: nova-compute {s.host} up", "GET /os-hypervisors: none of that host"],
                where=s.host,
            )
