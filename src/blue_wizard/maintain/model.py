"""What maintenance knows of a cloud while it plans: plain data, read by `site` and judged by `verbs` and `placing`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from blue_wizard.facts.computes import Hypervisor, Service
from blue_wizard.facts.osds import HostOsds
from blue_wizard.facts.servers import Migration, Server
from blue_wizard.maintain.kube import Node

__all__ = ["Agent", "Assessment", "Beside", "Compute", "Group", "Port", "Reason", "Site", "Stock", "Verb", "Wishes"]


class Reason(StrEnum):
    """Why a host is taken out of service."""

    CPU_BUG = "cpu-bug"
    HARDWARE = "hardware"
    UPGRADE = "upgrade"
    REBOOT = "reboot"


class Verb(StrEnum):
    """What is done with one server of a host."""

    LIVE = "live"  # live migration
    COLD = "cold"  # cold migration, and its confirmation
    STOP = "stop"  # shut down with its owner's consent, started again when the host is back
    LEAVE = "leave"  # stays as it is with its owner's consent, and goes down with the host
    EVACUATE = "evacuate"  # built anew elsewhere: its host is dead
    BLOCKED = "blocked"  # none of these is possible


@dataclass(frozen=True)
class Stock:
    """One inventory of Placement: what a provider has of a resource class, and how much of it is taken."""

    total: int
    reserved: int = 0
    ratio: float = 1.0
    max_unit: int = 1 << 31
    used: int = 0

    @property
    def free(self) -> int:
        """What can still be allocated. Placement's rule: used + wanted <= (total - reserved) * allocation_ratio."""
        return int((self.total - self.reserved) * self.ratio) - self.used


@dataclass(frozen=True)
class Compute:
    """A compute host as a destination. `aggregates` are the metadata of the host aggregates that it is in."""

    service: Service
    hypervisor: Hypervisor
    stocks: Mapping[str, Stock] = field(default_factory=dict)
    traits: frozenset[str] = frozenset()
    aggregates: tuple[Mapping[str, str], ...] = ()

    @property
    def host(self) -> str:
        """Its name in Nova."""
        return self.service.host


@dataclass(frozen=True)
class Port:
    """A port of a server."""

    id: str
    network: str
    addresses: tuple[str, ...]
    vnic: str = "normal"
    host: str = ""
    status: str = ""
    vif: str = ""
    description: str = ""


@dataclass(frozen=True)
class Group:
    """A server group; `hosts` tells where its members are, by server."""

    id: str
    policy: str
    hosts: Mapping[str, str]


@dataclass(frozen=True)
class Agent:
    """A network agent on the host, other than the one that wires its servers. `only_here`: what no other agent serves."""

    id: str
    binary: str
    alive: bool
    serves: tuple[str, ...] = ()
    only_here: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wishes:
    """What the operator said about servers: consents by id, and what else is allowed. `avoid`: hosts to go to last.

    `force`: their migrations may be forced to an end when they don't converge.
    """

    stop: frozenset[str] = frozenset()
    leave: frozenset[str] = frozenset()
    leave_stopped: bool = False
    move_locked: bool = False
    avoid: frozenset[str] = frozenset()
    force: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Beside:
    """What is done beside: `promised` are servers that are being moved and where they go, `closed` hosts that are emptied."""

    promised: Mapping[str, str] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Assessment:
    """One server of the host, and what becomes of it. `seconds` is about how long it takes.

    `force`: its owner consents that its migration is forced to an end when it does not converge.
    `unscheduled`: it goes to `dest` past the scheduler, which would refuse to let the first one of an affinity group go.
    """

    server: Server
    verb: Verb
    why: str = ""
    remedy: str = ""
    dest: str = ""
    seconds: float = 0.0
    force: bool = False
    unscheduled: bool = False


@dataclass(frozen=True)
class Site:
    """The host, what lives on it, and where that could go.

    `needs` are allocations in Placement: server -> provider -> resource class -> amount. `domains` is None when libvirt could
    not be asked (`unasked` says why), and so are `osds` and `ok_to_stop`.
    `promised`: servers that others are moving to a host, and what they will take there (server -> host, amounts);
    `closed`: hosts that others empty just now.
    `node`: the node of Kubernetes on it, where that was asked for.
    `masakari`: its segment and id there, where Masakari watches it; `alarms`: an Alertmanager is known.
    `power`: what its BMC says, "" where none is known or it does not answer.
    `alive`: it gives a sign of life, by nova-compute or over SSH.
    """

    service: Service
    computes: tuple[Compute, ...]
    servers: tuple[Server, ...] = ()
    ports: Mapping[str, tuple[Port, ...]] = field(default_factory=dict)
    needs: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    moving: tuple[Migration, ...] = ()
    promised: Mapping[str, tuple[str, Mapping[str, int]]] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()
    domains: Mapping[str, str] | None = None
    osds: HostOsds | None = None
    ok_to_stop: bool | None = None
    agents: tuple[Agent, ...] = ()
    alive: bool = True
    power: str = ""
    masakari: tuple[str, str] | None = None
    alarms: bool = False
    node: Node | None = None
    unasked: Mapping[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """The host's name in Nova."""
        return self.service.host
