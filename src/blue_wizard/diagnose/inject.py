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
from typing import Any

from blue_wizard.diagnose.agents import Agents
from blue_wizard.errors import StepFailed
from blue_wizard.facts import dhcp
from blue_wizard.reach import ssh
from blue_wizard.reach.argv import Wrap
from blue_wizard.text import _

__all__ = ["Injected", "Injection", "inject_reply", "inject_request", "packet_out"]

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


class Injection:
    """A way into a tap, in a context: what is sent enters the host's stack there as if the guest had sent it, unseen by the guest.

    Makes a veth pair ``bw-RUN`` on the host and removes it again. It is made while the caller goes on; the first `send` waits.
    """

    def __init__(self, host: str, tap: str, *, open_host: Callable[[str], ssh.Host] = ssh.host) -> None:
        self.host, self.tap = host, tap
        order = {"run": secrets.token_hex(4), "device": tap}
        self._agents = Agents("send", {host: order}, deadline_s=_DEADLINE_S, open_host=open_host)
        self._armed = False
        self._sent = self._passed = 0

    def __enter__(self) -> Injection:
        self._agents.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._agents.__exit__(*error)

    def send(self, frame: bytes) -> None:
        """Send an Ethernet frame with IPv4 in it; returns when it has been handed over. Raises StepFailed with the host's words.

        One packet may be lost on a healthy way: Open vSwitch drops the first one to a tunnel's end whose address it has to ask for.
        """
        if not self._armed:
            self._answered(None, "armed")
            self._armed = True
        self._sent += 1
        passed = self._answered({"send": self._sent, "frame": frame.hex()}, "send")["passed"]
        if passed == self._passed:
            raise StepFailed(
                _("The test packet did not reach {device} on {host}.").format(device=self.tap, host=self.host),
                _hint(self.host),
            )
        self._passed = passed

    def _answered(self, order: dict[str, Any] | None, key: str) -> dict[str, Any]:
        found = self._agents.ask(order, key, [self.host], _ARMED_S, or_key="failed").get(self.host, {})
        if key not in found:
            said = found.get("failed") or self._agents.sentence(self.host, _ARMED_S)
            raise StepFailed(
                _("{host} can't send the test packet: {error}").format(host=self.host, error=said), _hint(self.host)
            )
        return found


def inject_request(
    host: str, tap: str, mac: str, xid: int, *, open_host: Callable[[str], ssh.Host] = ssh.host
) -> Injected:
    """Send one DHCPDISCOVER of the guest's into its tap on the host. Raises StepFailed with what the host said."""
    with Injection(host, tap, open_host=open_host) as way:
        way.send(dhcp.discover(mac, xid))
    return Injected(host, "redirect", tap)


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
