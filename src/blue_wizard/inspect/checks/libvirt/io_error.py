"""Guests that stand still because their storage failed."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.domains import HypervisorDomains
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["io_error"]


@check(
    "libvirt.io-error",
    N_("Guest stands still after an error of its storage"),
    severity=Severity.CRITICAL,
    remedy=N_("Bring the storage back, then: virsh resume {domain}"),
    under=("ceph.mon-quorum", "ceph.pg-inactive", "ceph.osd-nearfull"),
)
def io_error(domains: HypervisorDomains) -> Iterable[Finding]:
    """Paused by QEMU (reason: I/O error). It does not go on by itself when the storage is back."""
    for d in domains.rows:
        if d.io_error:
            yield found(
                d.uuid,
                N_("Guest {name} was paused because its storage failed."),
                evidence=["virsh domstats --state: paused, I/O error", *d.disks],
                name=d.label,
                domain=d.name,
            )
