"""Subnets of tenants that run out of addresses."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.network import Networks, Stocks
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["subnet_exhausted"]

_WARN = 0.90


@check(
    "neutron.subnet-exhausted",
    N_("Subnet runs out of addresses"),
    severity=Severity.WARNING,
    remedy=N_("Widen its allocation pool, or add a subnet to network {network}."),
    profile=Profile.DAILY,
)
def subnet_exhausted(stocks: Stocks, networks: Networks) -> Iterable[Finding]:
    """IPv4 subnets of internal networks, from 90 % on; those of less than 8 addresses are meant to be full."""
    external = {n.id for n in networks.rows if n.external}
    for s in stocks.rows:
        if s.network not in external and s.version == 4 and s.total >= 8 and s.used / s.total >= _WARN:
            yield found(
                s.subnet,
                N_("Subnet {cidr} of network {network} has {left} of {total} addresses left."),
                evidence=[f"GET /network-ip-availabilities: {s.used} of {s.total}"],
                cidr=s.cidr,
                network=s.network_name or s.network,
                left=max(0, s.total - s.used),
                total=s.total,
            )
