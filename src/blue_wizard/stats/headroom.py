"""May a host be lost? Packs the servers of each host onto the others. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from blue_wizard.stats.capacity import MEMORY, PCPU, VCPU, Host, Request, pack, without
from blue_wizard.stats.platform import Platform

__all__ = ["ALL_UP_TO", "Loss", "lose", "losses", "requests_on"]

ALL_UP_TO = 50
"""So many hosts are all tried; of more, only those that hurt most."""
_WORST = 5


@dataclass(frozen=True)
class Loss:
    """A host that goes, how many servers are on it, and the ids of those that find no room elsewhere."""

    host: str
    servers: int
    left: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether all find room."""
        return not self.left


_known: WeakKeyDictionary[Platform, tuple[Loss, ...]] = WeakKeyDictionary()


def losses(platform: Platform) -> tuple[Loss, ...]:
    """The loss of each host by itself: of all up to `ALL_UP_TO` hosts, else of the five with the most VCPUs allocated and the
    five with the most memory allocated."""
    if platform not in _known:
        _known[platform] = tuple(lose(platform, (h.name,)) for h in _tried(platform.hosts))
    return _known[platform]


def _tried(hosts: list[Host]) -> list[Host]:
    if len(hosts) <= ALL_UP_TO:
        return hosts
    by_cpu = sorted(hosts, key=lambda h: -(h.used.get(VCPU, 0) + h.used.get(PCPU, 0)))[:_WORST]
    by_memory = sorted(hosts, key=lambda h: -h.used.get(MEMORY, 0))[:_WORST]
    return list({h.name: h for h in (*by_cpu, *by_memory)}.values())


def requests_on(platform: Platform, host: str) -> list[tuple[str, Request]]:
    """The servers of a host by id, with what each asks for."""
    return [
        (server["id"], platform.request_of[server["id"]])
        for server in platform.servers_by_host.get(host, ())
        if server["id"] in platform.request_of
    ]


def lose(platform: Platform, names: tuple[str, ...]) -> Loss:
    """What happens when these hosts go at once."""
    asked = [pair for name in names for pair in requests_on(platform, name)]
    found = pack(without(platform.hosts, *names), [request for _id, request in asked])
    return Loss(", ".join(names), len(asked), tuple(asked[i][0] for i in found.left))
