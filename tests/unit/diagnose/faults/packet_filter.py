"""iptables and ebtables."""

from __future__ import annotations

from tests.unit.diagnose.cases import found, lost
from tests.unit.diagnose.seen import HYBRID, Seen


@lost("iptables.foreign-drop", HYBRID, ("tap", "qbr"))
def foreign_raw_rule(s: Seen) -> None:
    s.edit(
        s.cmp["iptables"],
        r"^(\[\d+:\d+\] -A PREROUTING)",
        r"[3:984] -A PREROUTING -p udp -m udp --dport 67 -j DROP\n\1",
        1,
    )


@lost("iptables.dhcp-request-rule", HYBRID, ("qbr", "qvb"))
def request_rule(s: Seen) -> None:
    s.edit(s.cmp["iptables"], rf"^.*-A neutron-openvswi-o{s.short[:10]} .*--sport 68 --dport 67.*\n", "")


@lost("iptables.dhcp-reply-rule", HYBRID, ("qbr", "tap"), "reply")
def reply_rule(s: Seen) -> None:
    s.edit(s.cmp["iptables"], rf"^.*-A neutron-openvswi-i{s.short[:10]} .*--sport 67 --dport 68.*\n", "")


@lost("iptables.forward-drop", HYBRID, ("qbr", "qvb"))
def forward_policy(s: Seen) -> None:
    s.edit(s.cmp["iptables"], r"^:FORWARD ACCEPT", ":FORWARD DROP")
    s.edit(s.cmp["iptables"], r"^.*-A FORWARD -j neutron-openvswi-FORWARD\n", "")


@lost("iptables.foreign-drop", HYBRID, ("qbr", "qvb"))
def foreign_rule(s: Seen) -> None:
    s.edit(
        s.cmp["iptables"],
        r"^(\[\d+:\d+\] -A FORWARD -j neutron-filter-top)",
        r"[3:984] -A FORWARD -p udp -m udp --dport 67 -j DROP\n\1",
    )


@lost("iptables.foreign-drop", HYBRID, ("qbr", "qvb"))
def foreign_ebtables(s: Seen) -> None:
    s.cmp["ebtables"]["out"] = f"*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n-A FORWARD -p IPv4 -i tap{s.short} -j DROP\n"


@found("security.bridge-nf-off", HYBRID)
def bridge_nf(s: Seen) -> None:
    s.cmp["proc"]["net/bridge/bridge-nf-call-iptables"] = "0"


@found("security.filter-bypassed", HYBRID)
def bypassed(s: Seen) -> None:
    s.edit(s.cmp["iptables"], r"^.*-A FORWARD -j neutron-openvswi-FORWARD\n", "")
