"""What a snapshot says, put together: hosts as the scheduler sees them, flavors as requests, owners by name. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from blue_wizard.stats import ceph_capacity
from blue_wizard.stats.capacity import DISK, MEMORY, PCPU, VCPU, Host, Request, slots
from blue_wizard.stats.collect import Snapshot

__all__ = ["DAY_S", "GIB", "MIB", "Missing", "Platform", "age_s", "request"]

MIB = 1 << 20
GIB = 1 << 30
DAY_S = 86400.0
_HOST_CLASSES = {VCPU, PCPU, MEMORY}


class Missing(Exception):
    """What a statistic needs could not be read; `what` names the listing."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def age_s(text: str | None, now: float) -> float | None:
    """Seconds since a moment as APIs write it (ISO 8601, UTC whether it says so or not); None for none."""
    if not text:
        return None
    then = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return now - (then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp()


def request(flavor: Mapping[str, Any], zone: str = "") -> Request:
    """What a server of the flavor asks Placement for, the way Nova does (`nova.scheduler.utils.ResourceRequest`).

    DISK_GB is root + ephemeral + swap, swap in MiB rounded up; ``hw:cpu_policy=dedicated`` turns VCPU into PCPU;
    ``resources:CLASS=N`` in the extra specs overrides (0 drops the class); ``trait:NAME`` is required or forbidden;
    ``aggregate_instance_extra_specs:KEY`` must be a property of one of the host's aggregates. Numbered groups
    (``resources1:...``), NUMA topologies and huge pages are not looked at.
    """
    specs: Mapping[str, str] = flavor.get("extra_specs") or {}
    swap = int(flavor.get("swap") or 0)
    cpu = PCPU if specs.get("hw:cpu_policy") == "dedicated" else VCPU
    disk = int(flavor.get("disk") or 0)
    ephemeral = int(flavor.get("OS-FLV-EXT-DATA:ephemeral", flavor.get("ephemeral")) or 0)
    resources = {
        cpu: int(flavor["vcpus"]),
        MEMORY: int(flavor["ram"]),
        DISK: disk + ephemeral + math.ceil(swap / 1024),
    }
    required: set[str] = set()
    forbidden: set[str] = set()
    properties: dict[str, frozenset[str]] = {}
    for key, value in specs.items():
        kind, colon, name = key.partition(":")
        if kind == "resources" and colon:
            resources[name] = int(value)
        elif kind == "trait" and colon:
            (required if value == "required" else forbidden).add(name)
        elif kind == "aggregate_instance_extra_specs" and colon:
            words = value.split()
            properties[name] = frozenset(words[1::2] if words[:1] == ["<or>"] else [value])
    return Request(
        {name: amount for name, amount in resources.items() if amount > 0},
        frozenset(required),
        frozenset(forbidden),
        properties,
        zone,
    )


class Platform:
    """A snapshot with everything that several statistics need, worked out once. What is not there raises `Missing`."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.now = snapshot.moment

    def rows(self, name: str) -> list[Any]:
        """The rows of a listing. Raises Missing when it could not be read, or nobody asked for it."""
        if name not in self.snapshot.rows:
            raise Missing(name)
        found: list[Any] = self.snapshot.rows[name]
        return found

    def age_s(self, text: str | None) -> float:
        """Seconds from a moment until the snapshot was taken; 0 for none."""
        return age_s(text, self.now) or 0.0

    @cached_property
    def ceph(self) -> list[ceph_capacity.Root]:
        """Ceph's roots with their OSDs and pools."""
        return ceph_capacity.roots(self._ceph)

    @property
    def _ceph(self) -> Mapping[str, Any]:
        if "ceph" not in self.snapshot.rows:
            raise Missing("ceph")
        found: Mapping[str, Any] = self.snapshot.rows["ceph"]
        return found

    @property
    def ceph_raw(self) -> Mapping[str, Any]:
        """Ceph's answers by command. Raises Missing."""
        return self._ceph

    @cached_property
    def servers(self) -> list[Any]:
        """All servers of all projects."""
        return self.rows("servers")

    @cached_property
    def sizes(self) -> dict[str, Mapping[str, Any]]:
        """Server id to its flavor as it was when the server was made. Servers of a cell that is down have none.

        Before microversion 2.47 a server only names its flavor; it is then looked up among those that still are.
        """
        by_id = {f["id"]: f for f in self.snapshot.rows.get("flavors", [])}
        found = {}
        for server in self.servers:
            flavor = server.get("flavor") or {}
            size = flavor if "vcpus" in flavor else by_id.get(flavor.get("id"))
            if size is not None:
                found[server["id"]] = size
        return found

    def size(self, server: Mapping[str, Any], what: str) -> int:
        """`vcpus`, `ram` (MiB) or `disk` (GiB, root and ephemeral) of a server; 0 where Nova does not tell."""
        flavor = self.sizes.get(server["id"])
        if flavor is None:
            return 0
        if what == "disk":
            return int(flavor.get("disk") or 0) + int(
                flavor.get("OS-FLV-EXT-DATA:ephemeral", flavor.get("ephemeral")) or 0
            )
        return int(flavor[what])

    @cached_property
    def unsized(self) -> list[str]:
        """Ids of the servers whose size is not known."""
        return [s["id"] for s in self.servers if s["id"] not in self.sizes]

    @cached_property
    def projects(self) -> dict[str, Mapping[str, Any]]:
        """Projects by id, domains left out."""
        return {p["id"]: p for p in self.rows("projects") if not p.get("is_domain")}

    @cached_property
    def flavors(self) -> list[Any]:
        """Flavors that are there today, the smallest first."""
        return sorted(self.rows("flavors"), key=lambda f: (f["vcpus"], f["ram"], f["name"]))

    @cached_property
    def requests(self) -> dict[str, Request]:
        """Flavor id to what it asks for."""
        return {f["id"]: request(f) for f in self.flavors}

    @cached_property
    def request_of(self) -> dict[str, Request]:
        """Server id to what it holds in Placement by its embedded flavor; a boot volume instead of an image takes no root disk.

        A server that was asked for in a zone stays there (pinned_availability_zone, from microversion 2.96 on).
        """
        found = {}
        for server in self.servers:
            size = self.sizes.get(server["id"])
            if size is not None:
                zone = server.get("pinned_availability_zone") or ""
                found[server["id"]] = request(size if server.get("image") else {**size, "disk": 0}, zone)
        return found

    @cached_property
    def hosts(self) -> list[Host]:
        """The compute hosts: Placement's root providers with CPUs or memory, beside Nova's services, zones and aggregates.

        The numbers of nested providers (NUMA cells, GPUs) are added to their root's. A provider that no nova-compute stands
        behind is left out (a Neutron agent's, a bare-metal node's, one that was left behind).
        """
        services = {s["host"]: s for s in self.rows("compute_services") if s["binary"] == "nova-compute"}
        names = {h["hypervisor_hostname"]: h for h in self.rows("hypervisors")}
        trees: dict[str, list[Mapping[str, Any]]] = {}
        for provider in self.rows("providers"):
            trees.setdefault(provider["root"], []).append(provider)
        aggregates: dict[str, list[Mapping[str, Any]]] = {}
        for aggregate in self.snapshot.rows.get("aggregates", []):
            for host in aggregate["hosts"]:
                aggregates.setdefault(host, []).append(aggregate)
        made = []
        for root, tree in trees.items():
            top = next((p for p in tree if p["uuid"] == root), tree[0])
            hypervisor = names.get(top["name"])
            if hypervisor is None or not _HOST_CLASSES & {c for p in tree for c in p["resources"]}:
                continue
            made.append(_host(top["name"], hypervisor, tree, services, aggregates))
        return self._with_shared_disk(sorted(made, key=lambda h: h.name))

    def _with_shared_disk(self, hosts: list[Host]) -> list[Host]:
        """Marks DISK_GB as shared where each host reports the size of one Ceph pool, as Nova's rbd image backend does.

        That backend tells MAX AVAIL and what the pool has in use as the disk of every host (`nova.storage.rbd_utils`,
        `get_pool_info`), so adding them up would count the pool once a host.
        """
        if "ceph" not in self.snapshot.rows or not hosts:
            return hosts
        sizes = [(p.max_avail + used) / GIB for r in self.ceph for p in r.pools for used in (p.used, p.stored)]
        totals = {h.total.get(DISK) for h in hosts}
        if any(t is None or not any(abs(t - s) <= 1 + s / 100 for s in sizes) for t in totals):
            return hosts
        return [_shares(h) for h in hosts]

    @cached_property
    def disk_is_shared(self) -> bool:
        """Whether the hosts' disk is one pool of Ceph."""
        return any(DISK in h.shared for h in self.hosts)

    @cached_property
    def shared_free(self) -> dict[str, int]:
        """What is left of classes that all hosts share: their smallest answer."""
        if not self.disk_is_shared:
            return {}
        used = sum(h.used.get(DISK, 0) for h in self.hosts)
        return {DISK: max(0, min(h.capacity.get(DISK, 0) for h in self.hosts) - used)}

    def sum_of(self, what: str, resource: str, hosts: Iterable[Host] | None = None) -> int:
        """`capacity`, `used`, `total` or `reserved` of a class over hosts; a class that all share counts once."""
        chosen = self.hosts if hosts is None else list(hosts)
        numbers = [getattr(h, what).get(resource, 0) for h in chosen]
        if what != "used" and any(resource in h.shared for h in chosen):
            return max(numbers, default=0)
        return sum(numbers)

    @property
    def open_hosts(self) -> list[Host]:
        """Those that take servers."""
        return [h for h in self.hosts if h.takes_servers]

    @cached_property
    def slots(self) -> dict[str, int]:
        """Flavor id to how many more servers of it fit."""
        return {id_: slots(self.hosts, r, self.shared_free) for id_, r in self.requests.items()}

    @cached_property
    def servers_by_host(self) -> dict[str, list[Any]]:
        """Servers by the host that they are on."""
        found: dict[str, list[Any]] = {}
        for server in self.servers:
            if host := server.get("OS-EXT-SRV-ATTR:hypervisor_hostname") or server.get("OS-EXT-SRV-ATTR:host"):
                found.setdefault(host, []).append(server)
        return found

    @cached_property
    def used_flavors(self) -> dict[str, int]:
        """Flavor name to the number of its servers. Nova keeps the name that the flavor had when the server was made."""
        found: dict[str, int] = {}
        for size in self.sizes.values():
            name = size.get("original_name") or size.get("name") or ""
            found[name] = found.get(name, 0) + 1
        return found

    @cached_property
    def common_flavor(self) -> Mapping[str, Any] | None:
        """The flavor of the most servers among those that are there today; the smallest of them where none has any."""
        if not self.flavors:
            return None
        found: Mapping[str, Any] = max(self.flavors, key=lambda f: self.used_flavors.get(f["name"], 0))
        return found


def _shares(host: Host) -> Host:
    return replace(host, shared=host.shared | {DISK})


def _host(
    name: str,
    hypervisor: Mapping[str, Any],
    tree: Sequence[Mapping[str, Any]],
    services: Mapping[str, Mapping[str, Any]],
    aggregates: Mapping[str, Sequence[Mapping[str, Any]]],
) -> Host:
    numbers: dict[str, dict[str, int]] = {k: {} for k in ("capacity", "used", "total", "reserved")}
    max_unit: dict[str, int] = {}
    step_size: dict[str, int] = {}
    traits: set[str] = set()
    for provider in tree:
        traits |= set(provider["traits"] or ())
        for resource, found in provider["resources"].items():
            for what in ("capacity", "used"):
                numbers[what][resource] = numbers[what].get(resource, 0) + found[what]
        for resource, inventory in (provider["inventories"] or {}).items():
            for what in ("total", "reserved"):
                numbers[what][resource] = numbers[what].get(resource, 0) + inventory[what]
            # One allocation is taken from one provider of the tree.
            max_unit[resource] = max(max_unit.get(resource, 0), inventory["max_unit"])
            step_size[resource] = inventory["step_size"]
    if all(p["inventories"] is None for p in tree):
        # Nova's own sizes, as far as it still tells them. The libvirt driver sets max_unit to the total.
        for resource, key in ((VCPU, "vcpus"), (MEMORY, "memory_mb"), (DISK, "local_gb")):
            if hypervisor.get(key) and resource in numbers["capacity"]:
                numbers["total"][resource] = max_unit[resource] = int(hypervisor[key])
    host = (hypervisor.get("service") or {}).get("host") or name
    service = services.get(host, {})
    mine = aggregates.get(host, ())
    properties: dict[str, set[str]] = {}
    for aggregate in mine:
        for key, value in (aggregate.get("metadata") or {}).items():
            properties.setdefault(key, set()).update(v.strip() for v in value.split(","))
    return Host(
        name,
        capacity=numbers["capacity"],
        used=numbers["used"],
        total=numbers["total"],
        reserved=numbers["reserved"],
        max_unit=max_unit,
        step_size=step_size,
        traits=frozenset(traits),
        aggregates=frozenset(a["name"] for a in mine),
        properties={k: frozenset(v) for k, v in properties.items()},
        zone=service.get("zone", ""),
        enabled=service.get("status", hypervisor.get("status")) == "enabled",
        up=service.get("state", hypervisor.get("state")) == "up",
    )
