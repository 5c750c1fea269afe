"""Floating IPs that are given to a port and do not work."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.network import FloatingIps
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["floating_ip_down"]


@check(
    "neutron.floating-ip-down",
    N_("Floating IP is not active"),
    severity=Severity.WARNING,
    remedy=N_("Look at the L3 agent of router {router}; then take the address off the port and put it there again."),
    under=("neutron.agent-dead", "neutron.router-down", "neutron.router-unscheduled"),
    reread=True,
)
def floating_ip_down(floating: FloatingIps) -> Iterable[Finding]:
    """It is associated, but the agent has not reported it as set up; or it is in ERROR."""
    for f in floating.rows:
        if f.status == "ERROR" or (f.port and f.status != "ACTIVE"):
            yield found(
                f.id,
                N_("Floating IP {address} is {status}, though it belongs to {fixed}."),
                evidence=[f"GET /floatingips: {f.id} status {f.status}, port {f.port or 'none'}"],
                address=f.address,
                status=f.status,
                fixed=f.fixed or "-",
                router=f.router or "-",
            )
