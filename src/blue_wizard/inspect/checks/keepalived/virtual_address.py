"""The addresses that clients know the platform by."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.fetch.balancing import VirtualAddresses
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["virtual_address"]


@check(
    "keepalived.virtual-address",
    N_("Virtual address is on no host, or on two"),
    severity=Severity.CRITICAL,
    remedy=N_(
        "On two: VRRP does not get through between them (firewall, switch, the same virtual_router_id "
        "elsewhere). On none: look at keepalived and its check scripts."
    ),
    under=("host.unreachable",),
    reread=True,
)
def virtual_address(hosts: Everywhere[VirtualAddresses]) -> Iterable[Finding]:
    """An address that is nowhere is only told when every host could be asked: it may be on one that is missing."""
    for address in sorted({a for v in hosts.at.values() for a in v.wanted}):
        able = [host for host, v in sorted(hosts.at.items()) if address in v.wanted]
        at = [host for host in able if address in hosts.at[host].here]
        if len(at) == 1 or (not at and hosts.missing):
            continue
        yield found(
            address,
            N_("{address} is on {count} hosts at once: {hosts}") if at else N_("{address} is on no host of {hosts}."),
            evidence=[f"ip address on {host}: {'there' if host in at else 'not there'}" for host in able],
            address=address,
            count=len(at),
            hosts=", ".join(at or able),
        )
