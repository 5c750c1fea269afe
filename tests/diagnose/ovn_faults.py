"""Faults of OVN: how each is planted on `OvnSite`, and what must be found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blue_wizard.diagnose.bundle import Bundle
from blue_wizard.diagnose.collect import collect
from blue_wizard.diagnose.judge import judge
from blue_wizard.diagnose.model import PortReport
from tests.diagnose import ovn_site
from tests.diagnose.ovn_site import MAC, NETWORK, PORT, TAP, OvnSite

SYNC = "ovn-nbctl --timeout=30 --wait=hv sync"


def look(
    site: OvnSite, change: Callable[[Any], None] = lambda _api: None, *, to: str = ""
) -> tuple[Bundle, PortReport]:
    """What is seen of the host, and the report on it; `change` alters what the API says."""
    api = ovn_site.api(to=to)
    change(api)
    bundle = collect(api, lambda _name: site)  # type: ignore[arg-type, return-value]
    (report,) = judge(bundle).ports
    return bundle, report


# The script, the cause, and the first hop without the packet.
FAULTS: dict[str, tuple[str, str, str]] = {
    "no options": (f"ovn-nbctl lsp-set-dhcpv4-options {PORT}; {SYNC}", "ovn.no-dhcp-options", "dhcp-server"),
    "controller killed": ("pkill -9 -x ovn-controller; sleep 0.3", "ovn.controller-down", "dhcp-server"),
    "controller stopped": ("pkill -STOP -x ovn-controller; sleep 0.1", "ovn.controller-down", "dhcp-server"),
    "flows deleted": ("ovs-ofctl del-flows br-int", "ovn.flows-missing", "dhcp-server"),
    "one table deleted": ("ovs-ofctl del-flows br-int table=12", "ovn.flows-missing", "dhcp-server"),
    "last table deleted": ("ovs-ofctl del-flows br-int table=65", "ovn.flows-missing", "tap"),
    "another iface-id": (
        f"ovs-vsctl set Interface {TAP} external_ids:iface-id=x; {SYNC}", "ovs.wrong-iface-id", "compute-br-int"
    ),
    "another MAC allowed": (
        f"ovn-nbctl lsp-set-port-security {PORT} 'fa:16:3e:00:00:66 10.7.0.5'; {SYNC}", "ovn.port-security", "dhcp-server"
    ),
    "not in OVN": (f"ovn-nbctl lsp-del {PORT}; {SYNC}", "ovn.port-missing", "dhcp-server"),
    "another address": (
        f"ovn-nbctl lsp-set-addresses {PORT} '{MAC} 10.7.0.77'; {SYNC}", "ovn.wrong-offer", "dhcp-server"
    ),
    "asked for by another chassis": (
        f"ovn-nbctl set Logical_Switch_Port {PORT} options:requested-chassis=cmp9; {SYNC}", "ovn.not-bound", "dhcp-server"
    ),
    "claimed by another chassis": (
        f"ovn-sbctl chassis-add cmp9 geneve 10.6.0.9 && ovn-nbctl set Logical_Switch_Port {PORT} "
        f"options:requested-chassis=cmp9 && {SYNC} && ovn-sbctl lsp-bind {PORT} cmp9; sleep 0.5",
        "ovn.bound-elsewhere",
        "dhcp-server",
    ),
    "dropped by an ACL": (
        f"ovn-nbctl acl-add neutron-{NETWORK} from-lport 1010 'inport == \"{PORT}\" && udp.dst == 67' drop; {SYNC}",
        "ovn.dropped",
        "dhcp-server",
    ),
    "tap down": (f"ip link set {TAP} down", "tap.down", "tap"),
}  # fmt: skip
