"""What security groups allow, by the rules as Neutron has them. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from blue_wizard.diagnose.aim import Aim

__all__ = ["allowing"]

_NUMBERS = {"icmp": "1", "tcp": "6", "udp": "17"}


def allowing(
    groups: Iterable[dict[str, Any]], direction: str, aim: Aim, remote: str, remote_groups: Iterable[str] = ()
) -> dict[str, Any] | None:
    """The first rule that lets a packet of the aim's protocol through, to (`egress`) or from (`ingress`) the remote address."""
    of_remote = set(remote_groups)
    for group in groups:
        for rule in group["security_group_rules"]:
            if rule["direction"] == direction and rule["ethertype"] == "IPv4" and _fits(rule, aim, remote, of_remote):
                return dict(rule)
    return None


def _fits(rule: dict[str, Any], aim: Aim, remote: str, of_remote: set[str]) -> bool:
    protocol = rule["protocol"]
    if protocol not in {None, "any", "0", aim.protocol, _NUMBERS[aim.protocol]}:
        return False
    low, high = rule["port_range_min"], rule["port_range_max"]
    if protocol not in {None, "any", "0"} and low is not None:
        # For ICMP they are type and code; an echo request has type 8.
        number = 8 if aim.protocol == "icmp" else aim.number
        if (
            number < low
            or (aim.protocol != "icmp" and high is not None and number > high)
            or (aim.protocol == "icmp" and number != low)
        ):
            return False
    if rule.get("remote_ip_prefix"):
        return ipaddress.ip_address(remote) in ipaddress.ip_network(rule["remote_ip_prefix"], strict=False)
    # An address group is not looked into; it counts as one that allows, or a flow that passes would be called blocked.
    return not rule.get("remote_group_id") or rule["remote_group_id"] in of_remote
