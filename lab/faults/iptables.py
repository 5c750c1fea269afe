"""The hybrid firewall, and rules of others in front of it.

Neutron's agent writes its rules only when a port or a group changes.
"""

from __future__ import annotations

from lab.faults import Change, fault
from lab.faults.changes import policy, rule_added, rules_gone
from lab.faults.target import Target

HYBRID = ("hybrid", "vlan-hybrid")
DISCOVER = "-p udp --sport 68 --dport 67"
OFFER = "-p udp --sport 67 --dport 68"


@fault(
    {"iptables-request-rule": HYBRID, "iptables-request-rule-vlan": ("vlan-hybrid",)},
    code="iptables.dhcp-request-rule",
    hop="qbr",
    segment="qbr",
    object="{chain_o}",
)
def _(t: Target) -> list[Change]:
    return [rules_gone(t, t.host, t.chain("o"), r"-s 0\.0\.0\.0/32 .*--sport 68 .*--dport 67 .*-j RETURN")]


@fault(
    "iptables-reply-rule",
    on=HYBRID,
    code="iptables.dhcp-reply-rule",
    hop="qbr",
    segment="tap",
    direction="reply",
    object="{chain_i}",
)
def _(t: Target) -> list[Change]:
    return [rules_gone(t, t.host, t.chain("i"), r"--sport 67 .*--dport 68 .*-j RETURN")]


@fault(
    "forward-policy-drop",
    on=HYBRID,
    code="iptables.forward-drop",
    hop="qbr",
    segment="qbr",
    object="FORWARD",
    note="as a container engine leaves it, with Neutron's jump lost",
)
def _(t: Target) -> list[Change]:
    return [policy(t, t.host, "FORWARD", "DROP"), rules_gone(t, t.host, "FORWARD", "-j neutron-openvswi-FORWARD")]


@fault("foreign-forward-request", on=HYBRID, code="iptables.foreign-drop", hop="qbr", segment="qbr", object="FORWARD")
def _(t: Target) -> list[Change]:
    return [rule_added(t.host, "FORWARD", f"{DISCOVER} -j DROP")]


@fault(
    "foreign-forward-reply",
    on=HYBRID,
    code="iptables.foreign-drop",
    hop="qbr",
    segment="tap",
    direction="reply",
    object="FORWARD",
)
def _(t: Target) -> list[Change]:
    return [rule_added(t.host, "FORWARD", f"{OFFER} -j DROP")]


@fault(
    "foreign-raw",
    on=HYBRID,
    code="iptables.foreign-drop",
    hop="qbr",
    segment="tap",
    object="PREROUTING",
    note="before the bridge has decided: its own device doesn't see the frame either",
)
def _(t: Target) -> list[Change]:
    return [rule_added(t.host, "PREROUTING", f"{DISCOVER} -j DROP", table="raw")]


@fault("foreign-mangle", on=HYBRID, code="iptables.foreign-drop", hop="qbr", segment="qbr", object="POSTROUTING")
def _(t: Target) -> list[Change]:
    return [rule_added(t.host, "POSTROUTING", f"{DISCOVER} -j DROP", table="mangle")]


@fault("foreign-ebtables", on=HYBRID, code="iptables.foreign-drop", hop="qbr", segment="qbr", object="ebtables|FORWARD")
def _(t: Target) -> list[Change]:
    spec = "-p IPv4 --ip-proto udp --ip-dport 67 -j DROP"
    return [rule_added(t.host, "FORWARD", spec, tool="ebtables")]
