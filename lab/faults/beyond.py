"""Beyond DHCP: faults on the way to an address, which `diagnose network --to` has to find.

The L3 agent writes namespaces, rules and routes only when the router changes.
"""

from __future__ import annotations

import re
from functools import partial

from lab.faults import Change, fault
from lab.faults.changes import address_gone, column, flow_added, flows_gone, held, link_down, rule_added, rules_gone
from lab.faults.target import Target
from lab.run import LabError

ANY = ("hybrid", "ovsfw", "vlan-hybrid", "vlan-ovsfw")
HYBRID, OVSFW = ("hybrid", "vlan-hybrid"), ("ovsfw", "vlan-ovsfw")
OUTSIDE = "172.24.4.1 icmp"
METADATA = "169.254.169.254 tcp/80"

# What faults at one place have in common.
outwards = partial(fault, to=OUTSIDE)
at_gateway = partial(outwards, segment="network-ovs", object="{qr}")
in_router = partial(outwards, hop="router", segment="router", object="{router_space}")
at_floating = partial(in_router, on=("ovsfw",), object="{floating}")
at_compute = partial(outwards, hop="compute-br-int", segment="compute-ovs")


def _nat_gone(t: Target, chain: str, rule: str) -> list[Change]:
    """The router has no rule of this chain of its NAT any more that matches `rule`, a regular expression."""
    return [rules_gone(t, t.net, chain, rule, table="nat", netns=t.router_space)]


def _flow_first(host: str, match: str) -> list[Change]:
    """Somebody's flow drops what matches before any of Neutron's sees it."""
    return [flow_added(host, "br-int", f"table=0,priority=40000,{match}")]


@at_gateway("to-gateway-down", on=ANY, code="router.port-down", hop="gateway-port")
def _(t: Target) -> list[Change]:
    return [link_down(t, t.net, t.qr, t.router_space)]


@at_gateway(
    {"to-gateway-no-address": ("ovsfw",), "to-vlan-gateway-no-address": ("vlan-hybrid",)},
    code="router.no-address", hop="gateway-port", to="{gateway} icmp",
)  # fmt: skip
def _(t: Target) -> list[Change]:
    return [address_gone(t, t.net, t.qr, re.escape(f"{t.gateway}/"), t.router_space)]


@in_router("to-no-route", on=ANY, code="router.no-route")
def _(t: Target) -> list[Change]:
    # The subnet of the aim is the external one: its route goes, and the default one cannot stand without it.
    ip = f"ip -n {t.router_space}"
    route = next(x for x in t.sh(t.net, f"{ip} -4 route show dev {t.qg}").splitlines() if "scope link" in x)
    default = t.sh(t.net, f"{ip} -4 route show default").strip()
    undo = f"{ip} route replace {route} dev {t.qg}\n{ip} route replace {default}"
    return [Change(t.net, f"{ip} route del default\n{ip} route del {route} dev {t.qg}", undo)]


@in_router("to-forwarding-off", on=("ovsfw", "hybrid"), code="router.forwarding-off")
def _(t: Target) -> list[Change]:
    put = f"ip netns exec {t.router_space} sysctl -qw net.ipv4.ip_forward="
    return [Change(t.net, f"{put}0", f"{put}1")]


@in_router("to-router-blocked", on=ANY, code="router.blocked")
def _(t: Target) -> list[Change]:
    return [rule_added(t.net, "FORWARD", "-p icmp -j DROP", netns=t.router_space)]


@in_router("to-router-blocked-reply", on=("vlan-ovsfw", "ovsfw"), code="router.blocked", direction="reply")
def _(t: Target) -> list[Change]:
    return [rule_added(t.net, "FORWARD", f"-d {t.address}/32 -j DROP", netns=t.router_space)]


@in_router("to-snat-missing", on=("hybrid",), code="router.snat-missing")
def _(t: Target) -> list[Change]:
    return _nat_gone(t, "neutron-l3-agent-snat", f"-o {t.qg} .*-j SNAT")


@at_floating("to-fip-snat-missing", code="fip.nat-missing")
def _(t: Target) -> list[Change]:
    return _nat_gone(t, "neutron-l3-agent-float-snat", f"-s {t.address}/32")


@at_floating("to-fip-dnat-missing", code="fip.nat-missing", direction="reply")
def _(t: Target) -> list[Change]:
    return _nat_gone(t, "neutron-l3-agent-PREROUTING", f"-d {t.floating}/32")


@at_floating("to-fip-address-missing", code="fip.address-missing", hop="out-port", direction="reply")
def _(t: Target) -> list[Change]:
    return [address_gone(t, t.net, t.qg, re.escape(f"{t.floating}/"), t.router_space)]


@outwards("to-out-lost", on=ANY, code="router.out-lost", hop="out-port", segment="router", object="{qg}")
def _(t: Target) -> list[Change]:
    return _flow_first(t.net, f"in_port={t.ofport(t.net, t.qg)},ip")


@in_router(
    "to-metadata-proxy-hung", on=ANY, code="metadata.proxy-down", hop="metadata-proxy", object="haproxy", to=METADATA
)
def _(t: Target) -> list[Change]:
    # By its name alone: whoever looks for the router's id in whole command lines finds himself.
    each = f"for p in $(pgrep -x haproxy); do grep -qa {t.router} /proc/$p/cmdline && kill -%s $p; done; true"
    return [Change(t.net, each % "STOP", each % "CONT")]


@in_router("to-metadata-redirect-missing", on=ANY, code="metadata.redirect-missing", to=METADATA)
def _(t: Target) -> list[Change]:
    return _nat_gone(t, "neutron-l3-agent-PREROUTING", r"169\.254\.169\.254")


@at_compute(
    {"to-arp-blocked": ("hybrid",), "to-vlan-arp-blocked": ("vlan-ovsfw",)}, code="arp.blocked", object="br-int"
)
def _(t: Target) -> list[Change]:
    return _flow_first(t.host, f"arp,dl_src={t.mac}")


@outwards("to-group-not-applied", on=HYBRID, code="sg.not-applied", hop="qbr", segment="qbr", object="{chain_o}")
def _(t: Target) -> list[Change]:
    return [rules_gone(t, t.host, t.chain("o"), rf"^-A {t.chain('o')} -j RETURN$")]


@at_compute("to-ovsfw-group-not-applied", on=OVSFW, code="sg.not-applied", object="br-int table=72")
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


@outwards("to-router-mtu", on=ANY, verdict="ok", code="router.mtu", object="{qr}")
def _(t: Target) -> list[Change]:
    ip = f"ip -n {t.router_space}"
    found = re.search(r"mtu (\d+)", t.sh(t.net, f"{ip} link show {t.qr}"))
    if found is None:
        raise LabError(f"{t.net}: {t.qr} is not there")
    return [Change(t.net, f"{ip} link set {t.qr} mtu 1000", f"{ip} link set {t.qr} mtu {found[1]}")]


@at_compute("to-port-wrong-tag", on=("hybrid",), code="ovs.wrong-tag", object="{edge}")
def _(t: Target) -> list[Change]:
    return [held(t.host), column(t, t.host, "Port", t.edge, tag="99")]


@at_gateway("to-gateway-wrong-tag", on=("ovsfw",), code="ovs.wrong-tag", hop="network-br-int")
def _(t: Target) -> list[Change]:
    return [held(t.net), column(t, t.net, "Port", t.qr, tag="98")]


@at_compute("to-foreign-flow", on=ANY, code="ovs.foreign-drop-flow", object="br-int")
def _(t: Target) -> list[Change]:
    return _flow_first(t.host, f"icmp,dl_src={t.mac}")
