"""Hypervisors that take commands from the network without encryption."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.machine import Listeners
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["open_tcp"]


@check(
    "libvirt.open-tcp",
    N_("libvirt listens without encryption"),
    severity=Severity.INFO,
    remedy=N_("Use TLS (16514) or SSH for live migration, or shut the port off from all but the compute hosts."),
    profile=Profile.WEEKLY,
)
def open_tcp(listeners: Listeners) -> Iterable[Finding]:
    """Port 16509: unless SASL is set up (which the port does not tell), whoever reaches it rules all guests of the host."""
    for one in listeners.rows:
        if one.protocol == "tcp" and one.port == 16509 and not one.local:
            yield found(
                f"{one.address}:{one.port}",
                N_("libvirt listens on {address}:{port} without encryption."),
                evidence=[f"ss -lntup: {one.address}:{one.port} {one.program}"],
                address=one.address,
                port=one.port,
            )
