"""What fits on compute hosts: Placement's arithmetic, slots left, fragmentation, packing. Pure.

Units are those of Placement's resource classes: VCPU and PCPU in CPUs, MEMORY_MB in MiB, DISK_GB in GiB.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

__all__ = [
    "DISK",
    "MEMORY",
    "PCPU",
    "VCPU",
    "Host",
    "Inventory",
    "Packing",
    "Request",
    "capacity",
    "fragmentation",
    "largest",
    "pack",
    "slots",
    "slots_on",
    "without",
]

VCPU = "VCPU"
PCPU = "PCPU"
MEMORY = "MEMORY_MB"
DISK = "DISK_GB"
DISABLED = "COMPUTE_STATUS_DISABLED"
"""The trait that nova-compute gives to a host whose service is disabled."""


@dataclass(frozen=True)
class Inventory:
    """One resource class of a resource provider, as Placement keeps it."""

    total: int
    reserved: int = 0
    ratio: float = 1.0
    min_unit: int = 1
    max_unit: int | None = None
    step_size: int = 1

    @property
    def capacity(self) -> int:
        """See `capacity`."""
        return capacity(self.total, self.reserved, self.ratio)


def capacity(total: int, reserved: int, ratio: float) -> int:
    """How much of a class may be allocated: ``int((total - reserved) * allocation_ratio)``.

    The formula is Placement's own (`placement.objects.inventory.Inventory.capacity`): what is reserved is taken off before the
    ratio multiplies. Taken off after it, 64 threads with 4 reserved at a ratio of 4 would be 252 instead of 240.
    """
    return int((total - reserved) * ratio)


@dataclass(frozen=True)
class Host:
    """A compute host as the scheduler sees it: one tree of resource providers, its numbers added up by class.

    `max_unit` and `step_size` hold only classes of which they are known. `shared` are classes that belong to all hosts
    together (the disk of a host whose disks are in Ceph): they never limit one host, and are never added up.
    """

    name: str
    capacity: Mapping[str, int]
    used: Mapping[str, int] = field(default_factory=dict)
    total: Mapping[str, int] = field(default_factory=dict)
    reserved: Mapping[str, int] = field(default_factory=dict)
    max_unit: Mapping[str, int] = field(default_factory=dict)
    step_size: Mapping[str, int] = field(default_factory=dict)
    traits: frozenset[str] = frozenset()
    aggregates: frozenset[str] = frozenset()
    properties: Mapping[str, frozenset[str]] = field(default_factory=dict)
    zone: str = ""
    enabled: bool = True
    up: bool = True
    shared: frozenset[str] = frozenset()

    def free(self, resource: str) -> int:
        """Capacity minus use; negative where the ratio was lowered after servers came."""
        return self.capacity.get(resource, 0) - self.used.get(resource, 0)

    @property
    def takes_servers(self) -> bool:
        """Whether the scheduler may choose it: its service is enabled and alive."""
        return self.enabled and self.up and DISABLED not in self.traits


@dataclass(frozen=True)
class Request:
    """What one server of a flavor asks for.

    `properties` are the metadata that one of a host's aggregates must have (AggregateInstanceExtraSpecsFilter), each with
    the values that will do.
    """

    resources: Mapping[str, int]
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    properties: Mapping[str, frozenset[str]] = field(default_factory=dict)
    zone: str = ""


def _suits(host: Host, request: Request) -> bool:
    if not host.takes_servers or (request.zone and request.zone != host.zone):
        return False
    if not request.required <= host.traits or request.forbidden & host.traits:
        return False
    return all(values & host.properties.get(key, frozenset()) for key, values in request.properties.items())


def slots_on(host: Host, request: Request) -> int:
    """How many more servers of that kind the host takes, if nothing else comes.

    The smallest of ``free // amount`` over the classes asked for. Zero where a class is more than `max_unit`, no multiple of
    `step_size` (Placement refuses such an allocation, `placement.objects.resource_provider._capacity_exceeded`), or not
    there at all; where a trait, an aggregate's property or the zone does not fit; where the host takes no servers.
    """
    if not _suits(host, request):
        return 0
    found: list[int] = []
    for resource, amount in request.resources.items():
        if amount <= 0 or resource in host.shared:
            continue
        if amount > host.max_unit.get(resource, amount) or amount % host.step_size.get(resource, 1):
            return 0
        found.append(max(0, host.free(resource)) // amount)
    return min(found, default=0)


def slots(hosts: Iterable[Host], request: Request, shared_free: Mapping[str, int] | None = None) -> int:
    """How many more servers of that kind all hosts take: the sum of `slots_on`.

    Never free capacity of the cloud divided by the flavor: 8 hosts with 3 free VCPUs take no server of 4. `shared_free` is what
    is left of classes that all hosts share, which bounds the sum.
    """
    found = sum(slots_on(host, request) for host in hosts)
    for resource, free in (shared_free or {}).items():
        amount = request.resources.get(resource, 0)
        if amount > 0:
            found = min(found, max(0, free) // amount)
    return found


def fragmentation(hosts: Sequence[Host], request: Request, resource: str = VCPU) -> float | None:
    """The share (0 to 1) of a class's free capacity that servers of that kind can't use: ``1 - slots * amount / free``.

    None where nothing is free or the request does not ask for the class.
    """
    amount = request.resources.get(resource, 0)
    free = sum(max(0, h.free(resource)) for h in hosts if h.takes_servers)
    if amount <= 0 or free <= 0:
        return None
    return 1 - slots(hosts, request) * amount / free


def largest(hosts: Iterable[Host], resource: str) -> int:
    """The most of a class that one new server can have: the largest ``min(free, max_unit)`` of the hosts that take servers."""
    room = (min(h.free(resource), h.max_unit.get(resource, h.free(resource))) for h in hosts if h.takes_servers)
    return max(0, max(room, default=0))


@dataclass(frozen=True)
class Packing:
    """Where servers would go. `left` are the indices of the requests for which no host was found."""

    placed: Mapping[int, str]
    left: tuple[int, ...]
    hosts: tuple[Host, ...]

    @property
    def fits(self) -> bool:
        """Whether all found a host."""
        return not self.left


def pack(hosts: Sequence[Host], requests: Sequence[Request]) -> Packing:
    """First fit, the largest first: servers in falling order of VCPUs, then memory, each on the first host that takes it.

    Hosts are tried from the fullest to the emptiest at the start, so that large gaps stay large. First fit decreasing is a
    heuristic: it may miss a packing that exists, never promise one that does not.
    """
    order = sorted(
        range(len(requests)),
        key=lambda i: (
            -(requests[i].resources.get(VCPU, 0) + requests[i].resources.get(PCPU, 0)),
            -requests[i].resources.get(MEMORY, 0),
            i,
        ),
    )
    room = sorted(hosts, key=lambda h: (h.free(VCPU) + h.free(PCPU), h.free(MEMORY), h.name))
    placed: dict[int, str] = {}
    left: list[int] = []
    for i in order:
        at = next((k for k, h in enumerate(room) if slots_on(h, requests[i]) > 0), None)
        if at is None:
            left.append(i)
            continue
        placed[i] = room[at].name
        room[at] = _with(room[at], requests[i])
    return Packing(placed, tuple(sorted(left)), tuple(room))


def _with(host: Host, request: Request) -> Host:
    used = dict(host.used)
    for resource, amount in request.resources.items():
        used[resource] = used.get(resource, 0) + amount
    return replace(host, used=used)


def without(hosts: Iterable[Host], *names: str) -> list[Host]:
    """The hosts that are left."""
    return [h for h in hosts if h.name not in names]
