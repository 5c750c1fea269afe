"""Hypervisors that Nova sees as down although their service reports."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Hypervisors
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["hypervisor_down"]


@check(
    "nova.hypervisor-down",
    N_("Hypervisor is down"),
    severity=Severity.WARNING,
    remedy=N_("Look at libvirt on {where} (virsh version --daemon), and at the log of nova-compute there."),
    under=("host.unreachable", "nova.service-down", "libvirt.silent"),
)
def hypervisor_down(hypervisors: Hypervisors) -> Iterable[Finding]:
    """Nova's own state of the hypervisor."""
    for h in hypervisors.rows:
        if not h.up and h.enabled:
            yield found(
                f"hypervisor {h.name}",
                N_("Hypervisor {name} is down."),
                host=h.host,
                evidence=[f"GET /os-hypervisors/detail: {h.name} state down, status enabled"],
                name=h.name,
                where=h.host,
            )
