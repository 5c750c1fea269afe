"""Beyond DHCP: faults on the way to an address, which `diagnose network --to` has to find.

The L3 agent writes namespaces, rules and routes only when the router changes.
"""

from __future__ import annotations

import re

from lab.faults import Change, fault
from lab.faults.changes import address_gone, column, flow_added, flows_gone, held, link_down, rule_added, rules_gone
from lab.faults.target import Target
from lab.run import LabError

ANY = ("hybrid", "ovsfw", "vlan-hybrid", "vlan-ovsfw")
HYBRID, OVSFW = ("hybrid", "vlan-hybrid"), ("ovsfw", "vlan-ovsfw")
OUTSIDE = "172.24.4.1 icmp"
METADATA = "169.254.169.254 tcp/80"


@fault(
    "to-gateway-down",
    on=ANY,
    code="router.port-down",
    hop="gateway-port",
    segment="network-ovs",
    object="{qr}",
    to=OUTSIDE,
)
def _(t: Target) -> list[Change]:
    return [link_down(t, t.net, t.qr, t.router_space)]


@fault(
    {"to-gateway-no-address": ("ovsfw",), "to-vlan-gateway-no-address": ("vlan-hybrid",)},
    code="router.no-address", hop="gateway-port", segment="network-ovs", object="{qr}", to="{gateway} icmp",
)  # fmt: skip
def _(t: Target) -> list[Change]:
    return [address_gone(t, t.net, t.qr, re.escape(f"{t.gateway}/"), t.router_space)]


@fault(
    "to-no-route", on=ANY, code="router.no-route", hop="router", segment="router", object="{router_space}", to=OUTSIDE
)
def _(t: Target) -> list[Change]:
    # The subnet of the aim is the external one: its route goes, and the default one cannot stand without it.
    ip = f"ip -n {t.router_space}"
    route = next(x for x in t.sh(t.net, f"{ip} -4 route show dev {t.qg}").splitlines() if "scope link" in x)
    default = t.sh(t.net, f"{ip} -4 route show default").strip()
    undo = f"{ip} route replace {route} dev {t.qg}\n{ip} route replace {default}"
    return [Change(t.net, f"{ip} route del default\n{ip} route del {route} dev {t.qg}", undo)]


@fault(
    "to-forwarding-off", on=("ovsfw", "hybrid"), code="router.forwarding-off", hop="router", segment="router",
    object="{router_space}", to=OUTSIDE,
)  # fmt: skip
def _(t: Target) -> list[Change]:
    put = f"ip netns exec {t.router_space} sysctl -qw net.ipv4.ip_forward="
    return [Change(t.net, f"{put}0", f"{put}1")]


@fault(
    "to-router-blocked",
    on=ANY,
    code="router.blocked",
    hop="router",
    segment="router",
    object="{router_space}",
    to=OUTSIDE,
)
def _(t: Target) -> list[Change]:
    return [rule_added(t.net, "FORWARD", "-p icmp -j DROP", netns=t.router_space)]


@fault(
    "to-router-blocked-reply", on=("vlan-ovsfw", "ovsfw"), code="router.blocked", hop="router", segment="router", direction="reply",
    object="{router_space}", to=OUTSIDE,
)  # fmt: skip
def _(t: Target) -> list[Change]:
    return [rule_added(t.net, "FORWARD", f"-d {t.address}/32 -j DROP", netns=t.router_space)]


@fault(
    "to-snat-missing",
    on=("hybrid",),
    code="router.snat-missing",
    hop="router",
    segment="router",
    object="{router_space}",
    to=OUTSIDE,
)
def _(t: Target) -> list[Change]:
    return [rules_gone(t, t.net, "neutron-l3-agent-snat", f"-o {t.qg} .*-j SNAT", table="nat", netns=t.router_space)]


@fault(
    "to-fip-snat-missing",
    on=("ovsfw",),
    code="fip.nat-missing",
    hop="router",
    segment="router",
    object="{floating}",
    to=OUTSIDE,
)
def _(t: Target) -> list[Change]:
    return [
        rules_gone(t, t.net, "neutron-l3-agent-float-snat", f"-s {t.address}/32", table="nat", netns=t.router_space)
    ]


@fault(
    "to-fip-dnat-missing", on=("ovsfw",), code="fip.nat-missing", hop="router", segment="router", direction="reply",
    object="{floating}", to=OUTSIDE,
)  # fmt: skip
def _(t: Target) -> list[Change]:
    return [
        rules_gone(t, t.net, "neutron-l3-agent-PREROUTING", f"-d {t.floating}/32", table="nat", netns=t.router_space)
    ]


@fault(
    "to-fip-address-missing", on=("ovsfw",), code="fip.address-missing", hop="out-port", segment="router", direction="reply",
    object="{floating}", to=OUTSIDE,
)  # fmt: skip
def _(t: Target) -> list[Change]:
    return [address_gone(t, t.net, t.qg, re.escape(f"{t.floating}/"), t.router_space)]


@fault("to-out-lost", on=ANY, code="router.out-lost", hop="out-port", segment="router", object="{qg}", to=OUTSIDE)
def _(t: Target) -> list[Change]:
    return [flow_added(t.net, "br-int", f"table=0,priority=40000,in_port={t.ofport(t.net, t.qg)},ip")]


@fault(
    "to-metadata-proxy-hung",
    on=ANY,
    code="metadata.proxy-down",
    hop="metadata-proxy",
    segment="router",
    object="haproxy",
    to=METADATA,
)
def _(t: Target) -> list[Change]:
    # By its name alone: whoever looks for the router's id in whole command lines finds himself.
    each = f"for p in $(pgrep -x haproxy); do grep -qa {t.router} /proc/$p/cmdline && kill -%s $p; done; true"
    return [Change(t.net, each % "STOP", each % "CONT")]


@fault(
    "to-metadata-redirect-missing", on=ANY, code="metadata.redirect-missing", hop="router", segment="router",
    object="{router_space}", to=METADATA,
)  # fmt: skip
def _(t: Target) -> list[Change]:
    return [
        rules_gone(t, t.net, "neutron-l3-agent-PREROUTING", r"169\.254\.169\.254", table="nat", netns=t.router_space)
    ]


@fault(
    {"to-arp-blocked": ("hybrid",), "to-vlan-arp-blocked": ("vlan-ovsfw",)},
    code="arp.blocked", hop="compute-br-int", segment="compute-ovs", object="br-int", to=OUTSIDE,
)  # fmt: skip
def _(t: Target) -> list[Change]:
    return [flow_added(t.host, "br-int", f"table=0,priority=40000,arp,dl_src={t.mac}")]


@fault(
    "to-group-not-applied", on=HYBRID, code="sg.not-applied", hop="qbr", segment="qbr", object="{chain_o}", to=OUTSIDE
)
def _(t: Target) -> list[Change]:
    return [rules_gone(t, t.host, t.chain("o"), rf"^-A {t.chain('o')} -j RETURN$")]


@fault("to-ovsfw-group-not-applied", on=OVSFW, code="sg.not-applied", hop="compute-br-int", segment="compute-ovs",
       object="br-int table=72", to=OUTSIDE)  # fmt: skip
def _(t: Target) -> list[Change]:
    return [flows_gone(t, t.host, "br-int", "table=72", f"reg5=0x{t.ofport(t.host, t.edge):x}(,|$| )")]


@fault(
    "to-dns-hung",
    on=ANY,
    code="dns.server-down",
    hop="dns-server",
    segment="dhcp",
    object="dnsmasq",
    to="{dhcp_address} udp/53",
)
def _(t: Target) -> list[Change]:
    pid = f"$(cat {t.dhcp_folder}/pid)"
    return [Change(t.net, f"kill -STOP {pid}", f"kill -CONT {pid}")]


@fault("to-router-mtu", on=ANY, verdict="ok", code="router.mtu", object="{qr}", to=OUTSIDE)
def _(t: Target) -> list[Change]:
    ip = f"ip -n {t.router_space}"
    found = re.search(r"mtu (\d+)", t.sh(t.net, f"{ip} link show {t.qr}"))
    if found is None:
        raise LabError(f"{t.net}: {t.qr} is not there")
    return [Change(t.net, f"{ip} link set {t.qr} mtu 1000", f"{ip} link set {t.qr} mtu {found[1]}")]


@fault(
    "to-port-wrong-tag",
    on=("hybrid",),
    code="ovs.wrong-tag",
    hop="compute-br-int",
    segment="compute-ovs",
    object="{edge}",
    to=OUTSIDE,
)
def _(t: Target) -> list[Change]:
    return [held(t.host), column(t, t.host, "Port", t.edge, tag="99")]


@fault(
    "to-gateway-wrong-tag",
    on=("ovsfw",),
    code="ovs.wrong-tag",
    hop="network-br-int",
    segment="network-ovs",
    object="{qr}",
    to=OUTSIDE,
)
def _(t: Target) -> list[Change]:
    return [held(t.net), column(t, t.net, "Port", t.qr, tag="98")]


@fault(
    "to-foreign-flow",
    on=ANY,
    code="ovs.foreign-drop-flow",
    hop="compute-br-int",
    segment="compute-ovs",
    object="br-int",
    to=OUTSIDE,
)
def _(t: Target) -> list[Change]:
    return [flow_added(t.host, "br-int", f"table=0,priority=40000,icmp,dl_src={t.mac}")]
