"""Guests that have crashed."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.domains import HypervisorDomains
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["crashed"]


@check(
    "libvirt.crashed",
    N_("Guest has crashed"),
    severity=Severity.WARNING,
    remedy=N_("Read /var/log/libvirt/qemu/{domain}.log, then: openstack server reboot --hard {uuid}"),
)
def crashed(domains: HypervisorDomains) -> Iterable[Finding]:
    """Its state is crashed: the guest's kernel gave up, or QEMU did."""
    for d in domains.rows:
        if d.state == "crashed":
            yield found(
                d.uuid,
                N_("Guest {name} has crashed."),
                evidence=["virsh domstats --state: crashed"],
                name=d.label,
                domain=d.name,
                uuid=d.uuid,
            )
