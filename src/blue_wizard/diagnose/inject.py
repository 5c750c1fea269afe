"""Send what the guest, or its DHCP server, would send, without touching either.

A request enters by the guest's tap, so that it passes every hop after it, the firewall's chains too. `packet_out` puts a frame into
Open vSwitch as if it came from one of its ports: for ports that have no device in the kernel, and for replies on the network node.
Only discovers and offers are sent: no server keeps a lease for them (RFC 2131, 3.1), and a guest ignores an offer that it did not
ask for.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from blue_wizard.diagnose.agents import Agents
from blue_wizard.errors import StepFailed
from blue_wizard.facts import dhcp
from blue_wizard.reach import ssh
from blue_wizard.reach.argv import Wrap
from blue_wizard.text import _

__all__ = ["Injected", "inject_reply", "inject_request", "packet_out"]

_ARMED_S = 20.0
_DEADLINE_S = 60.0
# The number of a port changes when it is plugged again: it is read in the moment of sending.
_PACKET_OUT = (
    'n=$(ovs-vsctl --timeout=10 get Interface "$1" ofport) || exit; '
    '[ "$n" -gt 0 ] 2>/dev/null || { echo "$1 has no port number ($n)" >&2; exit 1; }; '
    'exec ovs-ofctl --timeout=10 packet-out "$2" "in_port=$n packet=$3 actions=resubmit(,0)"'
)


@dataclass(frozen=True)
class Injected:
    """How a frame was sent. `device`: the first device or port that it passed; `method`: "redirect" or "packet-out"."""

    host: str
    method: str
    device: str


def inject_request(
    host: str, tap: str, mac: str, xid: int, *, open_host: Callable[[str], ssh.Host] = ssh.host
) -> Injected:
    """Send a DHCPDISCOVER of the guest's into its tap on the host; returns when it has been handed over.

    Makes a veth pair ``bw-RUN`` there and removes it again. Raises StepFailed with what the host said.
    """
    order = {"run": secrets.token_hex(4), "device": tap}
    with Agents("send", {host: order}, deadline_s=_DEADLINE_S, open_host=open_host) as agents:
        _answered(agents, host, None, "armed")
        frame = dhcp.discover(mac, xid).hex()
        if not _answered(agents, host, {"send": 1, "frame": frame}, "send").get("passed"):
            raise StepFailed(
                _("The test packet did not reach {device} on {host}.").format(device=tap, host=host), _hint(host)
            )
    return Injected(host, "redirect", tap)


def _answered(agents: Agents, host: str, order: dict[str, object] | None, key: str) -> dict[str, object]:
    found: dict[str, object] = agents.ask(order, key, [host], _ARMED_S, or_key="failed").get(host, {})
    if key not in found:
        said = found.get("failed") or agents.sentence(host, _ARMED_S)
        raise StepFailed(_("{host} can't send the test packet: {error}").format(host=host, error=said), _hint(host))
    return found


def _hint(host: str) -> str:
    return _("{host} needs root, iproute2 and the kernel modules veth, sch_ingress, cls_u32 and act_mirred.").format(
        host=host
    )


def inject_reply(
    host: str,
    interface: str,
    mac: str,
    xid: int,
    *,
    server_mac: str,
    server: str,
    address: str,
    bridge: str = "br-int",
    within: Wrap | None = None,
    open_host: Callable[[str], ssh.Host] = ssh.host,
) -> Injected:
    """Send the guest a DHCPOFFER as if it came from the DHCP port `interface` on this host: it tests the way back alone.

    Raises as `packet_out`, and ValueError for addresses that are none.
    """
    frame = dhcp.offer(mac, xid, server_mac=server_mac, server=server, address=address)
    return packet_out(host, interface, frame, bridge=bridge, within=within, open_host=open_host)


def packet_out(
    host: str,
    interface: str,
    frame: bytes,
    *,
    bridge: str = "br-int",
    within: Wrap | None = None,
    open_host: Callable[[str], ssh.Host] = ssh.host,
) -> Injected:
    """Put a frame through all tables of the bridge as if it came in by the interface. Makes nothing.

    Raises StepFailed when Open vSwitch refuses, and what `Host.run` raises.
    """
    argv = ["sh", "-c", _PACKET_OUT, "blue-wizard", interface, bridge, frame.hex()]
    result = open_host(host).run(argv, root=True, within=within, timeout_s=30)
    if result.status != 0:
        raise StepFailed(
            _("Open vSwitch on {host} did not take the test packet for {port}: {error}").format(
                host=host, port=interface, error=result.stderr.strip()[-300:] or result.status
            ),
            _("Check there: ovs-vsctl list Interface {port}").format(port=interface),
        )
    return Injected(host, "packet-out", interface)
