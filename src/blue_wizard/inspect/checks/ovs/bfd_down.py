"""Tunnels whose other end does not answer."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ovs import Switch
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["bfd_down"]


@check(
    "ovs.bfd-down",
    N_("Tunnel is down for BFD"),
    severity=Severity.WARNING,
    remedy=N_("Look at the way from here to {remote}: ping it with full packets, then at the switches between."),
    under=("host.unreachable",),
    reread=True,
)
def bfd_down(switch: Switch) -> Iterable[Finding]:
    """Administratively down is meant."""
    for _port, interface in switch.interfaces():
        state = interface.bfd.get("state", "up")
        if state not in {"up", "admin_down"}:
            yield found(
                interface.name,
                N_("Tunnel {port} to {remote} is {state} ({why})."),
                evidence=[f"ovs-vsctl get Interface {interface.name} bfd_status: {interface.bfd}"],
                port=interface.name,
                remote=interface.options.get("remote_ip", "-"),
                state=state,
                why=interface.bfd.get("diagnostic", "-"),
            )
