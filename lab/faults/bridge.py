"""Between the guest and Open vSwitch: tap, qbr, qvb, qvo.

No agent puts these right: Nova made them when the server was started, and Neutron's agent looks at Open vSwitch only.
Where an interface of br-int goes away the agent takes the port for unplugged and tells Neutron; so it is held there.
"""

from __future__ import annotations

import shlex

from lab.faults import Change, fault
from lab.faults.changes import drop_udp, held, link_down, mtu, out_of_bridge, port_gone
from lab.faults.target import Target

HYBRID = ("hybrid", "vlan-hybrid")
OVSFW = ("ovsfw", "vlan-ovsfw")
HELD = (
    "the agent is held, or it would report the port down; when it goes on it may hear first that the port has gone and only then "
    "that it is back, and wires all of it anew, with other numbers"
)


@fault("tap-down", on=HYBRID, code="tap.down", hop="tap", segment="guest", object="{tap}")
def _(t: Target) -> list[Change]:
    return [link_down(t, t.host, t.tap)]


@fault("ovsfw-tap-down", on=OVSFW, code="tap.down", hop="tap", segment="guest", object="{tap}")
def _(t: Target) -> list[Change]:
    return [held(t.host), link_down(t, t.host, t.tap)]


@fault("tap-not-in-bridge", on=HYBRID, code="tap.not-in-bridge", hop="tap", segment="tap", object="{tap}")
def _(t: Target) -> list[Change]:
    return [out_of_bridge(t, t.host, t.tap)]


@fault(
    "tap-filter-request",
    on=HYBRID,
    code="tap.tc-filter",
    hop="tap",
    segment="tap",
    object="{tap}",
    note="a capture on the tap still sees the frame: it looks before tc does",
)
def _(t: Target) -> list[Change]:
    return [drop_udp(t, t.host, t.tap, "ingress", 67)]


@fault("tap-filter-reply", on=HYBRID, code="tap.tc-filter", hop="tap", segment="tap", direction="reply", object="{tap}")
def _(t: Target) -> list[Change]:
    return [drop_udp(t, t.host, t.tap, "egress", 68)]


@fault(
    "ovsfw-tap-filter-reply",
    on=OVSFW,
    code="tap.tc-filter",
    hop="tap",
    segment="compute-ovs",
    direction="reply",
    object="{tap}",
)
def _(t: Target) -> list[Change]:
    return [drop_udp(t, t.host, t.tap, "egress", 68)]


@fault("qbr-down", on=HYBRID, code="qbr.down", hop="qbr", segment="tap", object="{qbr}")
def _(t: Target) -> list[Change]:
    return [link_down(t, t.host, t.qbr)]


@fault("qbr-missing", on=HYBRID, code="qbr.missing", hop="qbr", segment="tap", object="{qbr}")
def _(t: Target) -> list[Change]:
    size = t.sh(t.host, f"cat /sys/class/net/{t.qbr}/mtu").strip()
    ipv6 = t.sh(t.host, f"sysctl -n net.ipv6.conf.{t.qbr}.disable_ipv6").strip()
    undo = f"""
if ! ip link show {t.qbr} > /dev/null 2>&1; then
    ip link add {t.qbr} type bridge forward_delay 0 ageing_time 0 stp_state 0 mcast_snooping 0
    sysctl -qw net.ipv6.conf.{t.qbr}.disable_ipv6={ipv6}
fi
ip link set {t.qvb} master {t.qbr}
ip link set {t.tap} master {t.qbr}
ip link set {t.qbr} up
ip link set {t.qbr} mtu {size}
"""
    return [Change(t.host, f"ip link del {t.qbr}", undo)]


def _port_flag(t: Target, device: str, flag: str, new: str, old: str) -> Change:
    put = f"ip link set {device} type bridge_slave {flag}"
    return Change(t.host, f"{put} {new}", f"{put} {old}")


@fault(
    "qbr-ports-isolated",
    on=HYBRID,
    code="qbr.port-flags",
    hop="qbr",
    segment="qbr",
    object="{qbr}|{tap}|{qvb}",
    note="two isolated ports of a bridge do not speak with each other; the bridge itself hears both",
)
def _(t: Target) -> list[Change]:
    return [_port_flag(t, d, "isolated", "on", "off") for d in (t.tap, t.qvb)]


@fault(
    "qbr-no-broadcast",
    on=HYBRID,
    code="qbr.port-flags",
    hop="qbr",
    segment="qbr",
    object="{qbr}|{qvb}",
    note="what goes to all is not sent to qvb; a reply would pass",
)
def _(t: Target) -> list[Change]:
    return [_port_flag(t, t.qvb, "bcast_flood", "off", "on")]


@fault("qvb-down", on=HYBRID, code="qvb.down", hop="qvb", segment="qbr", object="{qvb}")
def _(t: Target) -> list[Change]:
    return [link_down(t, t.host, t.qvb)]


@fault("qvb-not-in-bridge", on=HYBRID, code="qvb.not-in-bridge", hop="qvb", segment="qbr", object="{qvb}")
def _(t: Target) -> list[Change]:
    return [out_of_bridge(t, t.host, t.qvb)]


@fault(
    "qvb-missing",
    on=HYBRID,
    code="qvb.missing",
    hop="qvb",
    segment="qbr",
    object="{qvb}",
    also=("qvo.missing", "ovs.no-device"),
    restores="shape",
    note="its other end, qvo, goes with it; the agent is held, or it would report the port down",
)
def _(t: Target) -> list[Change]:
    read = f"for d in {t.qvb} {t.qvo}; do cat /sys/class/net/$d/address; done; cat /sys/class/net/{t.qvb}/mtu"
    mac_b, mac_o, size = t.sh(t.host, read).split()
    ipv6 = t.sh(t.host, f"sysctl -n net.ipv6.conf.{t.qvb}.disable_ipv6").strip()
    undo = f"""
if ! ip link show {t.qvb} > /dev/null 2>&1; then
    ip link add {t.qvb} mtu {size} address {mac_b} type veth peer name {t.qvo} mtu {size} address {mac_o}
    sysctl -qw net.ipv6.conf.{t.qvb}.disable_ipv6={ipv6}
fi
ip link set {t.qvb} up
ip link set {t.qvo} up
ip link set {t.qvb} master {t.qbr}
"""
    # Without a datapath in the kernel the switch goes on with the device that it had opened: it has to open the new one.
    again = port_gone(t, t.host, "br-int", t.qvo)
    return [held(t.host), Change(t.host, f"ip link del {t.qvb}", f"{undo}{again.do}\n{again.undo}")]


@fault(
    "qvo-down",
    on=HYBRID,
    code="qvo.down",
    hop="qvo",
    segment=("qbr", "qvb"),
    object="{qvo}",
    note="its other end loses the carrier, so the bridge may not even send",
)
def _(t: Target) -> list[Change]:
    return [held(t.host), link_down(t, t.host, t.qvo)]


@fault(
    "qvo-not-in-br-int",
    on=HYBRID,
    code="qvo.not-in-br-int",
    hop="qvo",
    segment="compute-ovs",
    object="{qvo}",
    restores="shape",
    note=HELD,
)
def _(t: Target) -> list[Change]:
    return [held(t.host), port_gone(t, t.host, "br-int", t.qvo)]


@fault(
    "ovsfw-tap-not-in-br-int",
    on=OVSFW,
    code="tap.not-in-bridge",
    hop="tap",
    segment="compute-ovs",
    object="{tap}",
    restores="shape",
    note=HELD,
)
def _(t: Target) -> list[Change]:
    return [held(t.host), port_gone(t, t.host, "br-int", t.tap)]


@fault("qvb-mtu", on=HYBRID, code="port.mtu", hop="qvb", segment="qbr", object="{qvb}")
def _(t: Target) -> list[Change]:
    return [mtu(t, t.host, t.qvb, 200)]


@fault("tap-mtu", on=HYBRID, code="port.mtu", hop="tap", segment="tap", direction="reply", object="{tap}")
def _(t: Target) -> list[Change]:
    return [mtu(t, t.host, t.tap, 200)]


def virsh(t: Target, command: str, *args: str) -> str:
    """A virsh command about the server's domain."""
    return shlex.join(["virsh", "-q", "-c", "qemu:///system", command, t.instance, *args])


@fault(
    "guest-link-down",
    on=HYBRID,
    code="guest.silent",
    hop="guest",
    segment="guest",
    also=("guest.link-down",),
    note="the hypervisor pulls the guest's cable; the tap stays up. A frame injected at the tap passes",
)
def _(t: Target) -> list[Change]:
    return [Change(t.host, virsh(t, "domif-setlink", t.tap, "down"), virsh(t, "domif-setlink", t.tap, "up"))]


@fault(
    "guest-suspended",
    on=OVSFW,
    code="server.not-active",
    hop="guest",
    segment="guest",
    also=("guest.silent",),
    note="behind Nova's back: its status stays ACTIVE, the power state becomes paused",
)
def _(t: Target) -> list[Change]:
    undo = f"virsh -q -c qemu:///system domstate {t.instance} | grep -q running || {virsh(t, 'resume')}"
    return [Change(t.host, virsh(t, "suspend"), undo)]
