"""Look at all hops at once: who has seen the guest's DHCP messages. Passive; a hop that was not watched closely says so.

A capture is live when its device is there and up, from the beginning to the end, its filter was proved on the host's own kernel,
everything that had come was read, and the kernel dropped nothing. Only then does "not seen" mean that the packet did not pass.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar

from blue_wizard.diagnose import agent
from blue_wizard.diagnose.agents import Agents
from blue_wizard.diagnose.filter import dhcp_filter
from blue_wizard.facts import dhcp
from blue_wizard.reach import ssh
from blue_wizard.text import _

__all__ = ["Capture", "Offer", "Point", "Problem", "Seen"]

_T = TypeVar("_T")
_ANSWER_S = 10.0
_DEADLINE_S = 300.0
# A packet on its way is handed on by several processes, each of which may be woken as late as ours was.
_LAGS = 10
_MOST_SETTLE_S = 15.0


class Problem(StrEnum):
    """Why a hop can't be judged by what was seen there."""

    HOST = "host"
    PYTHON = "python"
    PRIVILEGE = "privilege"
    NAMESPACE = "namespace"
    DEVICE = "device"
    DOWN = "down"
    CHANGED = "changed"
    XDP = "xdp"
    DROPS = "drops"
    FLOOD = "flood"
    FILTER = "filter"
    BUSY = "busy"
    LOST = "lost"


@dataclass(frozen=True)
class Point:
    """A device at a hop. `netns`: the name of its network namespace, or the path of one; None is the host's own.

    `tunnel`: a device of the underlay, where the guest's packets are inside VXLAN or Geneve. `ends`: the addresses of the tunnel's
    two ends, the guest's and the server's; what leads elsewhere, as copies of a broadcast to other hosts, is not on this way.
    `any_mac`: only this guest is behind the device, so requests with other addresses are its own too, and are told.
    """

    hop: str
    host: str
    device: str
    netns: str | None = None
    tunnel: bool = False
    any_mac: bool = False
    ends: tuple[str, str] | None = None


@dataclass(frozen=True)
class Offer:
    """A reply as it was seen. `kind` is "offer", "ack" or "nak"; `source` the MAC address that sent it."""

    kind: str
    address: str
    server: str
    source: str
    xid: int


@dataclass(frozen=True)
class Seen:
    """What a point has seen. A number above 0 is a fact; a 0 says "missing" only when `live`, else nothing is known.

    `vlans` and `vnis` are those of the guest's messages, `sources` the senders of its requests, `strangers` the client addresses of
    others (with `any_mac`). `kernel_drops`: frames that came too fast. `problem` and `error` say why it is not live.
    """

    point: Point
    live: bool = False
    requests: int = 0
    replies: int = 0
    vlans: tuple[int, ...] = ()
    vnis: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()
    kernel_drops: int = 0
    error: str = ""
    problem: Problem | None = None
    strangers: tuple[str, ...] = ()


@dataclass
class _Watch:
    """A point while it is watched."""

    point: Point
    problem: Problem | None = None
    error: str = ""
    drops: int = 0
    messages: list[dhcp.Sighting] = field(default_factory=list)


class Capture:
    """The points, watched in a context, all hosts in parallel.

    ::

        with Capture(points, mac) as capture:
            capture.ready()
            ...  # somebody sends
            seen = capture.collect()
    """

    def __init__(
        self,
        points: Sequence[Point],
        mac: str,
        *,
        deadline_s: float = _DEADLINE_S,
        open_host: Callable[[str], ssh.Host] = ssh.host,
    ) -> None:
        """`deadline_s`: the hosts end their part by themselves after that. Raises ValueError for a MAC address that is none."""
        self._mac = mac.lower().replace("-", ":")
        self._watches = [_Watch(p) for p in points]
        self._by_host: dict[str, list[_Watch]] = {}
        for watch in self._watches:
            self._by_host.setdefault(watch.point.host, []).append(watch)
        self._marks = 0
        self._lag_s = 0.0
        orders = {host: _order(self._mac, [w.point for w in watches]) for host, watches in self._by_host.items()}
        self._agents = Agents("listen", orders, deadline_s=deadline_s, on_word=self._hear, open_host=open_host)

    def __enter__(self) -> Capture:
        self._agents.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._agents.__exit__(*error)

    def _hear(self, host: str, word: dict[str, Any]) -> bool:
        if "data" not in word:
            return False
        message = dhcp.parse(base64.b64decode(word["data"]))
        if message is not None:
            if word["vlan"] and message.vni is None:
                message = replace(message, vlans=(word["vlan"], *message.vlans))
            self._by_host[host][word["point"]].messages.append(message)
        return True

    def ready(self, timeout_s: float = _ANSWER_S) -> dict[Point, Problem]:
        """Wait until every point is watched; those that can't be, and why. Nothing may be sent before."""
        answers = self._agents.ask(None, "ready", self._by_host, timeout_s)
        for host, watches in self._by_host.items():
            self._take(host, watches, answers.get(host, {}).get("ready"), timeout_s)
        return {w.point: w.problem for w in self._watches if w.problem is not None}

    def _take(self, host: str, watches: list[_Watch], states: list[dict[str, Any]] | None, waited_s: float) -> None:
        if states is None:
            problem = self._why(host)
            error = self._agents.sentence(host, waited_s)
            for watch in watches:
                watch.problem, watch.error = problem, error
            return
        for watch, state in zip(watches, states, strict=True):
            watch.drops = state["drops"]
            watch.problem = Problem(state["problem"]) if state["problem"] else None
            watch.error = _explained(watch.problem, watch.point, state["detail"]) if watch.problem else ""

    def _why(self, host: str) -> Problem:
        ended = self._agents.ended(host)
        if ended is None:
            return Problem.LOST
        if ended.status is None:
            return Problem.HOST
        if ended.refused:
            return Problem.PRIVILEGE
        return Problem.PYTHON if ended.status == agent.NO_PYTHON else Problem.LOST

    def collect(
        self, xid: int | None = None, settle_s: float = 2.0, *, replies_only: bool = False, linger_s: float = 0.2
    ) -> list[Seen]:
        """What all points have seen of the transaction (None: of any), in their order.

        Returns soon after each point that can be watched has seen a request and a reply (`replies_only`: a reply): `linger_s`
        seconds later, for the answer of a second server. Else it waits `settle_s` seconds, and longer where a host is so busy that
        packets may be that late; one that is busier still makes every "not seen" doubtful, since the packet may be late at any hop.
        May be called again: the counts go on.
        """
        began = time.monotonic()

        def whole(watch: _Watch) -> bool:
            mine = [m for m in self._mine(watch, xid) if _on_its_way(m, watch.point)]
            return any(not m.request for m in mine) and (replies_only or any(m.request for m in mine))

        def complete() -> bool:
            return all(w.problem is not None or whole(w) for w in self._watches)

        wait = settle_s
        while True:
            done = self._agents.wait(complete, max(0.0, began + wait - time.monotonic()))
            if done:
                self._agents.wait(lambda: False, linger_s)
            self._mark()
            needed = max(settle_s, _LAGS * self._lag_s)
            wait = min(needed, max(settle_s, _MOST_SETTLE_S))
            if done or time.monotonic() - began >= wait:
                break
        busy = not done and needed > wait
        return [self._seen(w, xid, busy and not whole(w)) for w in self._watches]

    def _mark(self) -> None:
        self._marks += 1
        answers = self._agents.ask({"mark": self._marks}, "mark", self._by_host, _ANSWER_S)
        self._lag_s = max([a["lag_s"] for a in answers.values()], default=0.0)
        for host, watches in self._by_host.items():
            self._take(host, watches, answers.get(host, {}).get("points"), _ANSWER_S)

    def _mine(self, watch: _Watch, xid: int | None) -> list[dhcp.Sighting]:
        return [m for m in list(watch.messages) if m.chaddr == self._mac and (xid is None or m.xid == xid)]

    def _seen(self, watch: _Watch, xid: int | None, busy: bool) -> Seen:
        heard = self._mine(watch, xid)
        mine = [m for m in heard if _on_its_way(m, watch.point)]
        requests = [m for m in mine if m.request]
        replies = [m for m in mine if not m.request]
        problem, error = watch.problem, watch.error
        if problem is None and busy:
            problem, error = Problem.BUSY, _explained(Problem.BUSY, watch.point, f"{self._lag_s:.1f}")
        return Seen(
            watch.point,
            live=problem is None,
            requests=len(requests),
            replies=len(replies),
            vlans=_once([v for m in mine for v in m.vlans[:1]]),
            vnis=_once([m.vni for m in mine if m.vni is not None]),
            sources=_once([m.source for m in requests]),
            # Whoever answers is told, wherever it is.
            offers=_once([Offer(m.kind, m.address, m.server, m.source, m.xid) for m in heard if not m.request]),
            kernel_drops=watch.drops,
            error=error,
            problem=problem,
            strangers=_once([m.chaddr for m in list(watch.messages) if m.request and m.chaddr != self._mac]),
        )


def _on_its_way(message: dhcp.Sighting, point: Point) -> bool:
    if point.ends is None or not message.tunnel_to:
        return True
    return message.tunnel_to == point.ends[1 if message.request else 0]


def _once(values: Sequence[_T]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(values))


def _order(mac: str, points: Sequence[Point]) -> dict[str, Any]:
    """The first order to a host, with frames that prove the filters there."""
    made = [
        {"device": p.device, "netns": p.netns, "filter": dhcp_filter(None if p.any_mac else mac, tunnel=p.tunnel)}
        for p in points
    ]
    samples = []
    own = dhcp.discover(mac, 1)
    other = dhcp.discover("02:00:00:00:00:01", 1)
    for any_mac, tunnel in sorted({(p.any_mac, p.tunnel) for p in points}):
        program = dhcp_filter(None if any_mac else mac, tunnel=tunnel)
        samples += [
            [program, own.hex(), True],
            [program, _tagged(own, 5).hex(), True],
            [program, own[:200].hex(), False],
        ]
        if not any_mac:
            samples.append([program, other.hex(), False])
    return {"points": made, "samples": samples}


def _tagged(frame: bytes, vlan: int) -> bytes:
    return frame[:12] + b"\x81\x00" + vlan.to_bytes(2, "big") + frame[12:]


def _explained(problem: Problem, point: Point, detail: str) -> str:
    text = {
        Problem.PRIVILEGE: _("{host} does not allow the capture on {device} ({detail}): it needs root there."),
        Problem.NAMESPACE: _("The network namespace {netns} on {host} can't be entered: {detail}"),
        Problem.DEVICE: _("{device} is not on {host}."),
        Problem.DOWN: _("{device} on {host} is down."),
        Problem.CHANGED: _("{device} on {host} was made anew during the capture."),
        Problem.XDP: _("An XDP program on {device} of {host} takes packets before a capture can see them."),
        Problem.DROPS: _("The capture on {device} of {host} missed packets: they came too fast."),
        Problem.FLOOD: _("Too many DHCP messages on {device} of {host} to look at each."),
        Problem.FILTER: _("The capture's filter does not work on {host}'s kernel."),
        Problem.BUSY: _("The hosts are too busy to tell late packets from lost ones: processes wait for {detail} s."),
    }.get(problem, "{detail}")
    return text.format(host=point.host, device=point.device, netns=point.netns or "", detail=detail)
