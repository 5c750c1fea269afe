"""Hypervisors whose libvirt does not answer."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.inspect.fetch.machine import LibvirtAnswer
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["silent"]


@check(
    "libvirt.silent",
    N_("libvirt does not answer"),
    severity=Severity.CRITICAL,
    remedy=N_(
        "Guests run on; restart libvirtd (systemctl restart libvirtd, or its container). When it hangs again:"
        " look for processes in state D."
    ),
    under=("host.unreachable",),
)
def silent(libvirt: LibvirtAnswer) -> Iterable[Finding]:
    """It, guests or nova-compute run there, and ``virsh version --daemon`` fails or hangs: no server can be started,
    stopped or moved."""
    if not libvirt.answers:
        yield found(
            "libvirt", N_("libvirt does not answer: {error}"), evidence=[libvirt.error], error=libvirt.error or "-"
        )
