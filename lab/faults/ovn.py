"""OVN: what its databases say of the port, its controller on the server's host, and the flows that this one has written.

Neutron compares what it has with the northbound database by revision numbers, so it does not notice a column that somebody
changes there. The controller compares its flows with a list of its own: deleted ones come back with a new controller alone.
"""

from __future__ import annotations

import shlex
from dataclasses import replace

from lab.faults import OVN, Change, fault
from lab.faults.changes import VSCTL, link_down, stopped
from lab.faults.target import Target
from lab.run import LabError
from lab.site import CLOUD_B

CTL = CLOUD_B.controller.name
NBCTL = "ovn-nbctl --timeout=30"
SYNC = f"{NBCTL} --wait=hv sync"
_CONNECTED = "ovn-appctl -t ovn-controller connection-status 2>/dev/null | grep -qx connected"


def _in_northbound(do: str, undo: str) -> list[Change]:
    return [Change(CTL, f"{do}\n{SYNC}", f"{undo}\n{SYNC}")]


def _column(t: Target, column: str) -> str:
    """A set or map of the port's row, as `set` takes it."""
    return t.sh(CTL, f"{NBCTL} get Logical_Switch_Port {t.port} {column}").strip()


def _changed(t: Target, column: str, new: str) -> list[Change]:
    row = f"{NBCTL} set Logical_Switch_Port {t.port} "
    old = _column(t, column)
    return _in_northbound(row + shlex.quote(f"{column}={new}"), row + shlex.quote(f"{column}={old}"))


def _controller(t: Target) -> str:
    """A script that starts the controller anew, as the lab has started it, whether or not one lives."""
    file = "/run/lab/ovn-controller.pid"
    argv = [a for a in t.sh(t.host, f"tr '\\0' '\\n' < /proc/$(cat {file})/cmdline").splitlines() if a]
    log = f"/proc/$(cat {file})/fd/1"
    where = t.sh(t.host, f"readlink {log}").strip()
    run = f"echo $$ > {file}; exec {shlex.join(argv)} >> {where} 2>&1 < /dev/null"
    return (
        f"kill -9 $(cat {file}) 2>/dev/null || true\n"
        "while pgrep -x ovn-controller > /dev/null; do sleep 0.1; done\n"
        f"setsid --fork sh -c {shlex.quote(run)}\n"
        f"for i in $(seq 60); do {_CONNECTED} && break; sleep 0.5; done"
    )


@fault(
    "ovn-no-options", on=(OVN,), code="ovn.no-dhcp-options", hop="dhcp-server", segment="compute-ovs", object="{port}"
)
def _(t: Target) -> list[Change]:
    old = _column(t, "dhcpv4_options")
    if old == "[]":
        raise LabError(f"port {t.port} has no DHCP options")
    row = f"{NBCTL} set Logical_Switch_Port {t.port} dhcpv4_options"
    return _in_northbound(f"{NBCTL} clear Logical_Switch_Port {t.port} dhcpv4_options", f"{row}={old}")


@fault(
    "ovn-other-mac-allowed",
    on=(OVN,),
    code="ovn.port-security",
    hop="compute-br-int",
    segment="compute-ovs",
    object="{port}",
)
def _(t: Target) -> list[Change]:
    return _changed(t, "port_security", f'"fa:16:3e:00:00:66 {t.address}"')


@fault(
    "ovn-other-address",
    on=(OVN,),
    code="ovn.wrong-offer",
    hop="dhcp-server",
    segment="compute-ovs",
    direction="reply",
    object="{port}",
)
def _(t: Target) -> list[Change]:
    other = t.address.rpartition(".")[0] + ".251"
    return _changed(t, "addresses", f'"{t.mac} {other}"')


@fault("ovn-acl", on=(OVN,), code="ovn.dropped", hop="compute-br-int", segment="compute-ovs", object="acl")
def _(t: Target) -> list[Change]:
    switch = f"neutron-{t.network} from-lport 2010"
    match = shlex.quote(f'inport == "{t.port}" && udp.dst == 67')
    return _in_northbound(f"{NBCTL} acl-add {switch} {match} drop", f"{NBCTL} acl-del {switch} {match}")


@fault(
    "ovn-controller-killed",
    on=(OVN,),
    code="ovn.controller-down",
    hop="dhcp-server",
    segment="compute-ovs",
    object="ovn-controller",
)
def _(t: Target) -> list[Change]:
    return [Change(t.host, "kill -9 $(cat /run/lab/ovn-controller.pid)", _controller(t))]


@fault(
    "ovn-controller-stopped",
    on=(OVN,),
    code="ovn.controller-down",
    hop="dhcp-server",
    segment="compute-ovs",
    object="ovn-controller",
)
def _(t: Target) -> list[Change]:
    # When it goes on, Open vSwitch 3.1 dies of an assertion of its own (conntrack.c, conn_type), seen twice of three times.
    return [replace(stopped(t.host, "ovn-controller"), undo=_controller(t))]


@fault(
    "ovn-no-flows", on=(OVN,), code="ovn.flows-missing", hop="compute-br-int", segment="compute-ovs", object="br-int"
)
def _(t: Target) -> list[Change]:
    return [Change(t.host, "ovs-ofctl del-flows br-int", _controller(t))]


@fault(
    "ovn-no-way-out-to-the-port",
    on=(OVN,),
    code="ovn.flows-missing",
    hop="compute-br-int",
    segment="compute-ovs",
    direction="reply",
    object="br-int",
)
def _(t: Target) -> list[Change]:
    # Table 65 is where a logical port becomes a number of the switch (OFTABLE_LOG_TO_PHY).
    return [Change(t.host, "ovs-ofctl del-flows br-int table=65", _controller(t))]


@fault(
    "ovn-other-interface-id",
    on=(OVN,),
    code="ovs.wrong-iface-id",
    hop="compute-br-int",
    segment="compute-ovs",
    object="{tap}",
    restores="shape",  # ovn-controller takes the port away and gives it another key when it comes back
)
def _(t: Target) -> list[Change]:
    put = f"{VSCTL} set Interface {t.tap} external_ids:iface-id="
    return [Change(t.host, f"{put}{t.port[::-1]}", put + t.port)]


@fault("ovn-tap-down", on=(OVN,), code="tap.down", hop="tap", segment="guest", object="{tap}")
def _(t: Target) -> list[Change]:
    return [link_down(t, t.host, t.tap)]


@fault("ovn-tunnel-ends-elsewhere", on=(OVN,), code="ovn.encap-address", verdict="ok", object="")
def _(t: Target) -> list[Change]:
    put = f"{VSCTL} set Open_vSwitch . external_ids:ovn-encap-ip="
    old = t.sh(t.host, f"{VSCTL} get Open_vSwitch . external_ids:ovn-encap-ip").strip()
    return [Change(t.host, f"{put}10.98.0.77", put + old)]
