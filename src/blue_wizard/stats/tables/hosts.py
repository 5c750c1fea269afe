"""Compute hosts: what they have, what is taken, what is left when one is lost."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from blue_wizard.stats import headroom
from blue_wizard.stats.capacity import DISK, MEMORY, PCPU, VCPU, Host, largest
from blue_wizard.stats.model import Column, Number, Unit, statistic, table, topic
from blue_wizard.stats.platform import GIB, MIB, Platform
from blue_wizard.text import _

topic("hosts", lambda: _("Compute hosts"), "hypervisors", "compute_services", "aggregates", "providers", "ceph",
      "servers", "flavors", rank=10)  # fmt: skip

_FACTOR = {MEMORY: MIB, DISK: GIB}


def _percent(part: float, whole: float) -> float | None:
    return 100 * part / whole if whole else None


@statistic("hosts.count", Unit.COUNT, lambda: _("Compute hosts"))
def count(p: Platform) -> Number:
    """Resource providers of Placement with CPUs or memory that a nova-compute stands behind (`GET /resource_providers`
    beside `GET /os-hypervisors/detail`)."""
    return len(p.hosts)


@statistic("hosts.up", Unit.COUNT, lambda: _("Hosts that take servers"))
def up(p: Platform) -> Number:
    """Hosts whose nova-compute is enabled and up (`GET /os-services`), without the trait COMPUTE_STATUS_DISABLED."""
    return len(p.open_hosts)


@statistic("hosts.down", Unit.COUNT, lambda: _("Hosts that are down"))
def down(p: Platform) -> Number:
    """Hosts whose nova-compute has not reported for `service_down_time` (state "down" in `GET /os-services`)."""
    return sum(not h.up for h in p.hosts)


@statistic("hosts.disabled", Unit.COUNT, lambda: _("Hosts that are disabled"))
def disabled(p: Platform) -> Number:
    """Hosts whose nova-compute an operator disabled (status "disabled" in `GET /os-services`)."""
    return sum(not h.enabled for h in p.hosts)


def _sums(name: str, resource: str, unit: Unit, titles: Sequence[Callable[[], str]]) -> None:
    """Capacity, used, free and the share used of one class."""
    factor = _FACTOR.get(resource, 1)

    @statistic(f"hosts.{name}.capacity", unit, titles[0])
    def of_capacity(p: Platform) -> Number:
        """Σ over hosts of Placement's int((total - reserved) * allocation_ratio); the provider summaries of
        `GET /allocation_candidates` tell it as "capacity". A disk that all hosts share in Ceph counts once."""
        return p.sum_of("capacity", resource) * factor

    @statistic(f"hosts.{name}.used", unit, titles[1])
    def of_used(p: Platform) -> Number:
        """Σ over hosts of the allocations in Placement ("used" in the provider summaries): servers of any power state, and
        both ends of migrations that are not confirmed."""
        return p.sum_of("used", resource) * factor

    @statistic(f"hosts.{name}.free", unit, titles[2])
    def of_free(p: Platform) -> Number:
        """Σ of capacity - used over the hosts that take servers, a host that is over its capacity counting as 0. What is
        free on disabled and dead hosts is of no use to anybody, and not in it."""
        if any(resource in h.shared for h in p.hosts):
            return p.shared_free.get(resource, 0) * factor
        return sum(max(0, h.free(resource)) for h in p.open_hosts) * factor

    @statistic(f"hosts.{name}.used_percent", Unit.PERCENT, titles[3])
    def of_share(p: Platform) -> Number:
        """100 * used / capacity of all hosts."""
        return _percent(p.sum_of("used", resource), p.sum_of("capacity", resource))


_sums("vcpus", VCPU, Unit.VCPU, (lambda: _("VCPUs: capacity"), lambda: _("VCPUs: allocated"),
      lambda: _("VCPUs: free"), lambda: _("VCPUs: allocated share")))  # fmt: skip
_sums("pcpus", PCPU, Unit.VCPU, (lambda: _("Dedicated CPUs: capacity"), lambda: _("Dedicated CPUs: allocated"),
      lambda: _("Dedicated CPUs: free"), lambda: _("Dedicated CPUs: allocated share")))  # fmt: skip
_sums("memory", MEMORY, Unit.BYTES, (lambda: _("Memory: capacity"), lambda: _("Memory: allocated"),
      lambda: _("Memory: free"), lambda: _("Memory: allocated share")))  # fmt: skip
_sums("disk", DISK, Unit.BYTES, (lambda: _("Disk of hosts: capacity"), lambda: _("Disk of hosts: allocated"),
      lambda: _("Disk of hosts: free"), lambda: _("Disk of hosts: allocated share")))  # fmt: skip


@statistic("hosts.threads", Unit.COUNT, lambda: _("Physical threads for servers"))
def threads(p: Platform) -> Number:
    """Σ of the totals of VCPU and PCPU (`GET /resource_providers/UUID/inventories`, else "vcpus" of `GET /os-hypervisors`
    before 2.88): the host's threads that Nova may use, before any ratio."""
    return p.sum_of("total", VCPU) + p.sum_of("total", PCPU)


@statistic("hosts.overcommit", Unit.RATIO, lambda: _("Overcommit of CPUs reached"))
def overcommit(p: Platform) -> Number:
    """VCPUs allocated / threads of the shared set: the ratio that is reached, not the one that is configured."""
    total = p.sum_of("total", VCPU)
    return p.sum_of("used", VCPU) / total if total else None


@statistic("hosts.overcommit_allowed", Unit.RATIO, lambda: _("Overcommit of CPUs allowed"))
def overcommit_allowed(p: Platform) -> Number:
    """Capacity of VCPU / (total - reserved) over all hosts: the allocation ratio, weighed by the hosts' sizes."""
    base = p.sum_of("total", VCPU) - p.sum_of("reserved", VCPU)
    return p.sum_of("capacity", VCPU) / base if base > 0 else None


def _closed(p: Platform) -> list[Host]:
    return [h for h in p.hosts if not h.takes_servers]


@statistic("hosts.vcpus.closed", Unit.VCPU, lambda: _("VCPUs of hosts that take no servers"))
def vcpus_closed(p: Platform) -> Number:
    """Capacity of VCPU of the hosts that are down or disabled."""
    return p.sum_of("capacity", VCPU, _closed(p))


@statistic("hosts.memory.closed", Unit.BYTES, lambda: _("Memory of hosts that take no servers"))
def memory_closed(p: Platform) -> Number:
    """Capacity of MEMORY_MB of the hosts that are down or disabled."""
    return p.sum_of("capacity", MEMORY, _closed(p)) * MIB


def _smallest(p: Platform) -> tuple[int, int]:
    return min((f["vcpus"] for f in p.flavors), default=1), min((f["ram"] for f in p.flavors), default=1)


@statistic("hosts.memory.stranded", Unit.BYTES, lambda: _("Memory stranded: no VCPU beside it"))
def memory_stranded(p: Platform) -> Number:
    """Free memory on hosts that take servers and have fewer free VCPUs than the smallest flavor needs."""
    vcpus, _ram = _smallest(p)
    return sum(max(0, h.free(MEMORY)) for h in p.open_hosts if h.free(VCPU) < vcpus) * MIB


@statistic("hosts.vcpus.stranded", Unit.VCPU, lambda: _("VCPUs stranded: no memory beside them"))
def vcpus_stranded(p: Platform) -> Number:
    """Free VCPUs on hosts that take servers and have less free memory than the smallest flavor needs."""
    _vcpus, ram = _smallest(p)
    return sum(max(0, h.free(VCPU)) for h in p.open_hosts if h.free(MEMORY) < ram)


@statistic("hosts.vcpus.largest", Unit.VCPU, lambda: _("Most VCPUs that one new server can have"))
def vcpus_largest(p: Platform) -> Number:
    """The largest min(free, max_unit) of VCPU over the hosts that take servers; max_unit where it is known (libvirt: the
    threads of the host)."""
    return largest(p.hosts, VCPU)


@statistic("hosts.memory.largest", Unit.BYTES, lambda: _("Most memory that one new server can have"))
def memory_largest(p: Platform) -> Number:
    """The largest min(free, max_unit) of MEMORY_MB over the hosts that take servers."""
    return largest(p.hosts, MEMORY) * MIB


@statistic("hosts.vcpus.imbalance", Unit.PERCENT, lambda: _("Spread of the hosts' allocation of VCPUs"))
def imbalance(p: Platform) -> Number:
    """Standard deviation (of the population) of 100 * used / capacity of VCPU over the hosts that take servers."""
    shares = [s for h in p.open_hosts if (s := _percent(h.used.get(VCPU, 0), h.capacity.get(VCPU, 0))) is not None]
    return statistics.pstdev(shares) if shares else None


@statistic("hosts.n1.fits", Unit.BOOL, lambda: _("Any one host may be lost"))
def n1_fits(p: Platform) -> Number:
    """Whether the servers of each host that was tried find room on the others, packed first fit decreasing with their traits,
    zones and aggregates. Tried are all hosts of a cloud of up to 50, else the 10 with the most VCPUs and memory allocated."""
    return all(loss.fits for loss in headroom.losses(p))


@statistic("hosts.n1.homeless", Unit.COUNT, lambda: _("Servers without room after the worst loss of a host"))
def n1_homeless(p: Platform) -> Number:
    """The most servers that stay unplaced in any of the losses that were tried (see hosts.n1.fits)."""
    return max((len(loss.left) for loss in headroom.losses(p)), default=0)


@statistic("hosts.servers.most", Unit.COUNT, lambda: _("Most servers on one host"))
def servers_most(p: Platform) -> Number:
    """The largest number of servers that `GET /servers/detail` names one hypervisor for."""
    return max((len(s) for s in p.servers_by_host.values()), default=0)


def _columns() -> Sequence[Column]:
    return (
        Column("host", _("host")),
        Column("state", _("state")),
        Column("zone", _("zone")),
        Column("servers", _("servers"), Unit.COUNT),
        Column("vcpus_used", _("VCPUs allocated"), Unit.VCPU),
        Column("vcpus", _("VCPUs"), Unit.VCPU),
        Column("vcpus_percent", "%", Unit.PERCENT),
        Column("pcpus_used", _("dedicated allocated"), Unit.VCPU),
        Column("pcpus", _("dedicated CPUs"), Unit.VCPU),
        Column("memory_used", _("memory allocated"), Unit.BYTES),
        Column("memory", _("memory"), Unit.BYTES),
        Column("memory_percent", "%", Unit.PERCENT),
        Column("threads", _("threads"), Unit.COUNT),
        Column("overcommit", _("overcommit"), Unit.RATIO),
        Column("aggregates", _("aggregates")),
    )


@table(
    "hosts", "hosts", lambda: _("Compute hosts"), _columns, chart=("vcpus_percent", "memory_percent"), labels=("host",)
)
def hosts(p: Platform) -> Iterable[Mapping[str, Any]]:
    """One compute host a line: capacity is int((total - reserved) * allocation_ratio), allocated is what Placement has given
    out; overcommit is allocated VCPUs / threads."""
    for h in p.hosts:
        total = h.total.get(VCPU)
        yield {
            "host": h.name,
            "state": _("down") if not h.up else _("open") if h.takes_servers else _("disabled"),
            "zone": h.zone,
            "servers": len(p.servers_by_host.get(h.name, ())),
            "vcpus_used": h.used.get(VCPU, 0),
            "vcpus": h.capacity.get(VCPU, 0),
            "vcpus_percent": _percent(h.used.get(VCPU, 0), h.capacity.get(VCPU, 0)),
            "pcpus_used": h.used.get(PCPU, 0),
            "pcpus": h.capacity.get(PCPU, 0),
            "memory_used": h.used.get(MEMORY, 0) * MIB,
            "memory": h.capacity.get(MEMORY, 0) * MIB,
            "memory_percent": _percent(h.used.get(MEMORY, 0), h.capacity.get(MEMORY, 0)),
            "threads": None if total is None else total + h.total.get(PCPU, 0),
            "overcommit": h.used.get(VCPU, 0) / total if total else None,
            "aggregates": ", ".join(sorted(h.aggregates)),
        }


def _zone_columns() -> Sequence[Column]:
    return (
        Column("zone", _("zone")),
        Column("hosts", _("hosts"), Unit.COUNT),
        Column("vcpus_used", _("VCPUs allocated"), Unit.VCPU),
        Column("vcpus", _("VCPUs"), Unit.VCPU),
        Column("vcpus_percent", "%", Unit.PERCENT),
        Column("memory_used", _("memory allocated"), Unit.BYTES),
        Column("memory", _("memory"), Unit.BYTES),
        Column("memory_percent", "%", Unit.PERCENT),
    )


@table("zones", "hosts", lambda: _("Availability zones"), _zone_columns)
def zones(p: Platform) -> Iterable[Mapping[str, Any]]:
    """One availability zone a line, sums over its hosts. A host is in one zone only, so these add up (aggregates do not)."""
    for zone in sorted({h.zone for h in p.hosts}):
        mine = [h for h in p.hosts if h.zone == zone]
        numbers = {r: (p.sum_of("used", r, mine), p.sum_of("capacity", r, mine)) for r in (VCPU, MEMORY)}
        yield {
            "zone": zone,
            "hosts": len(mine),
            "vcpus_used": numbers[VCPU][0],
            "vcpus": numbers[VCPU][1],
            "vcpus_percent": _percent(*numbers[VCPU]),
            "memory_used": numbers[MEMORY][0] * MIB,
            "memory": numbers[MEMORY][1] * MIB,
            "memory_percent": _percent(*numbers[MEMORY]),
        }
