"""Pings of a server while it moves, from the DHCP namespaces of its networks.

They run in rounds of some seconds, so that nothing is left running on a network host when a worker dies. A server that
does not answer before it moves (its security groups let no ping in, or it answers none) is not probed, and that is said.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from blue_wizard.errors import BlueWizardError
from blue_wizard.facts import pings
from blue_wizard.facts.pings import Pings
from blue_wizard.jobs.model import Json
from blue_wizard.maintain import site
from blue_wizard.reach import openstack, ssh

__all__ = ["Target", "Watch", "begin", "end", "running", "targets_of"]

_FIRST, _ROUND = 3, 10
_EVERY_S = 0.2
_watches: dict[tuple[str, str], Watch] = {}


@dataclass(frozen=True)
class Target:
    """An address, and the host and network namespace that it is asked from."""

    host: str
    namespace: str
    address: str


@dataclass
class _Heard:
    pings: Pings
    last: float
    turn: int = 0


@dataclass
class Watch:
    """Asks all targets until it is stopped."""

    targets: Iterable[Target]
    _heard: dict[str, _Heard | None] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)
    _turn: int = 0

    def start(self) -> None:
        """Ask each target once, and go on with those that answer."""
        for target in self.targets:
            first = _round(target, _FIRST)
            if first is None or first.lost == first.sent:
                self._heard[target.address] = None
                continue
            self._heard[target.address] = _Heard(Pings(0, 0, first.replies[-1:]), time.monotonic())
            thread = threading.Thread(target=self._ask, args=(target,), daemon=True, name=f"probe {target.address}")
            self._threads.append(thread)
            thread.start()

    def _ask(self, target: Target) -> None:
        heard = self._heard[target.address]
        assert heard is not None, "only who answers is asked on"
        while not self._end.is_set():
            turn = self._turn
            found = _round(target, _ROUND)
            if found is None:
                # Nobody could look, which is no silence of the server.
                heard.last, heard.turn = time.monotonic(), turn
                self._end.wait(1)
                continue
            heard.pings = pings.joined(heard.pings, found)
            if found.lost < found.sent:
                heard.last, heard.turn = time.monotonic(), turn

    def silent_s(self) -> float:
        """For how long the most silent target has not answered (seconds)."""
        return max((time.monotonic() - h.last for h in self._heard.values() if h), default=0.0)

    def listen_anew(self) -> None:
        """From now on only what is asked after this counts for `heard_anew`: a reply of before tells nothing of a new place."""
        self._turn += 1

    def heard_anew(self) -> bool:
        """Whether each target that answered at first has answered something that was asked after `listen_anew`."""
        return all(h.turn == self._turn for h in self._heard.values() if h)

    def stop(self) -> dict[str, Json]:
        """End; for each address ``{sent, lost, silence}``, all 0 where it was silent before."""
        self._end.set()
        for thread in self._threads:
            thread.join(timeout=10)
        return {
            address: {
                "sent": heard.pings.sent if heard else 0,
                "lost": heard.pings.lost if heard else 0,
                "silence": round(heard.pings.silence_s, 1) if heard else 0.0,
            }
            for address, heard in self._heard.items()
        }


def _round(target: Target, count: int) -> Pings | None:
    argv = pings.command(target.namespace, target.address, count=count, every_s=_EVERY_S)
    try:
        return pings.parse(ssh.host(target.host).run(argv, timeout_s=30, root=True).stdout)
    except BlueWizardError:
        return None


def targets_of(cloud: openstack.Cloud, server: str) -> list[Target]:
    """The IPv4 addresses of a server that some living DHCP agent has a namespace for."""
    found = []
    for port in site.ports_of(cloud, server):
        agents = cloud.get("network", f"/networks/{port.network}/dhcp-agents")["agents"]
        host = next((a["host"] for a in agents if a["alive"]), None)
        address = next((a for a in port.addresses if ":" not in a), None)
        if host and address:
            found.append(Target(host, f"qdhcp-{port.network}", address))
    return found


def begin(job: str, cloud: openstack.Cloud, server: str) -> Watch:
    """Begin to probe a server for a job; the same watch when that has begun already."""
    key = (job, server)
    if key not in _watches:
        watch = Watch(targets_of(cloud, server))
        watch.start()
        _watches[key] = watch
    return _watches[key]


def running(job: str, server: str) -> bool:
    """True while this process probes a server for a job."""
    return (job, server) in _watches


def end(job: str, server: str) -> Mapping[str, Json] | None:
    """End it; what it heard (see `Watch.stop`), or None when it was not running."""
    watch = _watches.pop((job, server), None)
    return watch.stop() if watch else None
