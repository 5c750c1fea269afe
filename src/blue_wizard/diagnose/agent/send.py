"""Role "send": frames that enter the host's stack by a tap as if the guest behind it had sent them. The guest sees none of them.

A veth pair is made: one end in a network namespace of this process alone, the other beside the tap, where tc hands whatever IPv4
comes out of it over to the tap's ingress. When this process ends, for any reason, the kernel removes its namespace and with it
the pair.

First order: {"deadline_s", "run", "device"}; it answers {"armed": true}, and to {"send": N, "frame": hex} {"send": N, "passed"}:
how many frames have come out of the pair so far. {"failed": text} says what could not be done.
"""

import fcntl
import os
import signal
import socket
import struct
import time
from typing import Any

from blue_wizard.diagnose.agent.base import Orders, end_after, enter_net, new_net, say
from blue_wizard.diagnose.agent.made import PREFIX, command, forget, sweep, write_down

_GET_FLAGS, _RUNNING = 0x8913, 0x40
_MATCHES = (("u32", "match", "u32", "0", "0"), ("matchall",))
_UP_S = 5.0
_HANDED_ON_S = 2.0


class Pair:
    """The pair, and a socket on our end of it."""

    def __init__(self, run: str, device: str) -> None:
        self._run, self._link = run, PREFIX + run
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY)
        write_down(run, [self._link])
        try:
            self._make(device)
        except BaseException:
            self.remove()
            raise

    def _make(self, device: str) -> None:
        if not os.path.isdir("/sys/class/net/" + device):
            raise RuntimeError("%s: %s" % (device, os.strerror(19)))
        new_net()
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        silence("default")
        # Whoever started us is in the namespace that we came from.
        command(
            "ip", "link", "add", "name", self._link, "netns", str(os.getppid()), "type", "veth", "peer", "name", "out"
        )
        silence("out")
        command("ip", "link", "set", "out", "up")
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.bind(("out", 0))
        enter_net(self._home)
        silence(self._link)
        command("tc", "qdisc", "add", "dev", self._link, "ingress")
        redirect(self._link, device)
        command("ip", "link", "set", self._link, "up")
        enter_net(own)
        until_running(self._socket, "out")
        enter_net(self._home)

    def send(self, frame: bytes) -> int:
        """Send it, and wait until it has come out; how many have come out so far."""
        before = self._passed()
        self._socket.send(frame)
        end = time.monotonic() + _HANDED_ON_S
        while self._passed() == before and time.monotonic() < end:
            time.sleep(0.005)
        return self._passed()

    def _passed(self) -> int:
        with open("/sys/class/net/%s/statistics/rx_packets" % self._link) as f:
            return int(f.read())

    def remove(self) -> None:
        enter_net(self._home)
        if os.path.isdir("/sys/class/net/" + self._link):
            command("ip", "link", "del", self._link)
        forget(self._run)


def silence(link: str) -> None:
    """No word of its own: router solicitations and the like would look like the guest's."""
    path = "/proc/sys/net/ipv6/conf/%s/disable_ipv6" % link
    if os.path.exists(path):
        with open(path, "w") as f:
            f.write("1")


def redirect(link: str, device: str) -> None:
    """IPv4 that comes in by the link goes on as if it came in by the device; which filters a kernel has differs."""
    said = ""
    for match in _MATCHES:
        try:
            command(
                "tc", "filter", "add", "dev", link, "parent", "ffff:", "protocol", "ip", "prio", "1", *match,
                "action", "mirred", "ingress", "redirect", "dev", device
            )  # fmt: skip
            return
        except RuntimeError as e:
            said = said or str(e)
    raise RuntimeError(said)


def until_running(at: socket.socket, link: str) -> None:
    end = time.monotonic() + _UP_S
    while time.monotonic() < end:
        answer = fcntl.ioctl(at, _GET_FLAGS, struct.pack("16s24x", link.encode()))
        if struct.unpack_from("H", answer, 16)[0] & _RUNNING:
            return
        time.sleep(0.005)
    raise RuntimeError("%s does not come up" % link)


def send() -> None:
    orders = Orders()
    order = orders.wait()
    if order is None:
        return
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, leave)
    end_after(order["deadline_s"])
    try:
        sweep()
        pair = Pair(order["run"], order["device"])
    except (OSError, RuntimeError) as e:
        say(failed=str(e))
        return
    try:
        say(armed=True)
        serve(pair, orders)
    finally:
        pair.remove()


def serve(pair: Pair, orders: Orders) -> None:
    asked = orders.wait()
    while asked is not None:
        try:
            say(send=asked["send"], passed=pair.send(bytes.fromhex(asked["frame"])))
        except OSError as e:
            say(failed=str(e))
        asked = orders.wait()


def leave(number: int, _frame: Any) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    send()
