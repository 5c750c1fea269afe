"""Ports that Open vSwitch can not open."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ovs import Switch
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["port_error"]


_GUESTS = ("tap", "qvo", "vnet")


@check(
    "ovs.port-error",
    N_("Port of Open vSwitch has no device"),
    severity=Severity.WARNING,
    remedy=N_("When no guest uses it any more: ovs-vsctl --if-exists del-port {port}"),
    reread=True,
)
def port_error(switch: Switch) -> Iterable[Finding]:
    """By the column error of its interface. That of a guest is debris, or waits for the guest to start; any other one carries
    something."""
    for port, interface in switch.interfaces():
        if interface.error:
            yield found(
                interface.name,
                N_("Port {port} of {bridge} does not work: {error}"),
                evidence=[f"ovs-vsctl list Interface {interface.name}: {interface.error}"],
                severity=Severity.INFO if interface.name.startswith(_GUESTS) else None,
                port=interface.name,
                bridge=port.bridge or "-",
                error=interface.error,
            )
