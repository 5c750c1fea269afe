"""Routers whose way out is nowhere."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.inspect.fetch.switches import OvnSouth
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["gateway_homeless"]


@check(
    "ovn.gateway-homeless",
    N_("Gateway of a router is on no host"),
    severity=Severity.CRITICAL,
    remedy=N_(
        "Give it chassis that live: ovn-nbctl lrp-set-gateway-chassis; see which hosts are enabled as "
        "gateways (enable-chassis-as-gw)."
    ),
    under=("ovn.raft",),
    reread=True,
)
def gateway_homeless(south: OvnSouth) -> Iterable[Finding]:
    """As the leader of the southbound database has it."""
    for port in south.homeless:
        yield found(
            port,
            N_("Gateway port {port} is on no host."),
            evidence=[f"ovn-sbctl list Port_Binding: {port} chassis []"],
            port=port,
        )
