"""Addresses that two ports have."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.network import Port, Ports
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["duplicate_address"]


@check(
    "cross.duplicate-address",
    N_("Two ports have one address"),
    severity=Severity.WARNING,
    remedy=N_("Take the address off the port that is wrong: openstack port unset --fixed-ip ip-address={address} PORT"),
    reread=True,
)
def duplicate_address(ports: Ports) -> Iterable[Finding]:
    """One address of a subnet on two ports, or one MAC on two ports of a network: both lose packets to each other.
    Distributed gateways
    share theirs by design."""
    by_address: dict[tuple[str, str], list[Port]] = {}
    by_mac: dict[tuple[str, str], list[Port]] = {}
    for p in ports.rows:
        if p.owner in {
            "network:router_interface_distributed",
            "network:floatingip_agent_gateway",
            "network:distributed",
        }:
            continue
        for subnet, address in p.addresses:
            by_address.setdefault((subnet, address), []).append(p)
        if p.mac and p.owner != "network:floatingip":
            by_mac.setdefault((p.network, p.mac), []).append(p)
    for (where, address), rows in sorted([*by_address.items(), *by_mac.items()]):
        if len(rows) > 1:
            yield found(
                f"{where} {address}",
                N_("{address} belongs to {count} ports: {ports}"),
                evidence=[f"{p.id} {p.owner} {p.device}" for p in rows],
                address=address,
                count=len(rows),
                ports=", ".join(p.id for p in rows),
            )
