"""What a cloud has, read once for a whole wave: flavors, networks, names, quotas, free space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blue_wizard.config import CephAccess
from blue_wizard.migrate.local import Compute, parse_computes
from blue_wizard.migrate.mapping import Flavor, Subnet
from blue_wizard.reach import ceph, flavors, openstack

__all__ = ["Network", "Quota", "Site", "read"]


@dataclass(frozen=True)
class Network:
    """A network with its IPv4 and IPv6 subnets."""

    id: str
    name: str
    subnets: tuple[Subnet, ...]


@dataclass(frozen=True)
class Quota:
    """How much of one resource may still be used; None means without limit."""

    name: str
    free: int | None


@dataclass(frozen=True)
class Site:
    """A cloud's state. Names that stand for several objects are left out of the maps by name and listed in `ambiguous`."""

    cloud: str
    flavors: tuple[Flavor, ...] = ()
    networks: tuple[Network, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)
    zones: frozenset[str] = frozenset()
    volume_types: frozenset[str] = frozenset()
    servers: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    addresses: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Network id to the addresses and MACs that its ports have."""
    quotas: tuple[Quota, ...] = ()
    pool: str = ""
    pool_free: int = 0
    computes: tuple[Compute, ...] | None = None
    """The hosts for local disks; None when the cloud tells them to administrators only, or nobody asked."""

    def network(self, name: str) -> Network | None:
        """The network of that id, or the only one of that name."""
        found = [n for n in self.networks if n.id == name] or [n for n in self.networks if n.name == name]
        return found[0] if len(found) == 1 else None

    def flavor(self, name: str) -> Flavor | None:
        """The flavor of that name or id."""
        return next((f for f in self.flavors if name in {f.name, f.id}), None)


def read(cloud: openstack.Cloud, access: CephAccess | None, *, local: bool = False) -> Site:
    """Ask the cloud and its Ceph cluster. Reads only. Raises InputError when one of them can't be reached.

    Without `access` neither Ceph nor Cinder is asked; with `local` the compute hosts are.
    """
    subnets: dict[str, list[Subnet]] = {}
    for s in cloud.list("network", "/subnets", "subnets"):
        subnets.setdefault(s["network_id"], []).append(Subnet(s["id"], s["cidr"]))
    addresses: dict[str, set[str]] = {}
    for port in cloud.list("network", "/ports", "ports"):
        taken = addresses.setdefault(port["network_id"], set())
        taken |= {port["mac_address"].lower(), *(f["ip_address"] for f in port["fixed_ips"])}
    groups = cloud.list("network", f"/security-groups?project_id={cloud.project_id}", "security_groups")
    zones = cloud.get("compute", "/os-availability-zone")["availabilityZoneInfo"]
    pool_free = 0
    types: list[dict[str, Any]] = []
    if access:
        types = cloud.list("block_storage", "/types?is_public=None", "volume_types")
        with ceph.open_pool(access) as pool:
            pool_free = pool.free()
    return Site(
        cloud=cloud.name,
        flavors=tuple(map(_flavor, flavors.listed(cloud))),
        networks=tuple(
            Network(n["id"], n["name"], tuple(subnets.get(n["id"], ())))
            for n in cloud.list("network", "/networks", "networks")
        ),
        groups={**{g["name"]: g["id"] for g in groups}, **{g["id"]: g["id"] for g in groups}},
        zones=frozenset(z["zoneName"] for z in zones if z["zoneState"]["available"]),
        volume_types=frozenset(t["name"] for t in types),
        keys=frozenset(k["keypair"]["name"] for k in cloud.list("compute", "/os-keypairs", "keypairs")),
        servers=frozenset(s["name"] for s in cloud.list("compute", "/servers/detail", "servers")),
        addresses={k: frozenset(v) for k, v in addresses.items()},
        quotas=_quotas(cloud, volumes=access is not None),
        pool=access.pool if access else "",
        pool_free=pool_free,
        computes=_computes(cloud) if local else None,
    )


def _computes(cloud: openstack.Cloud) -> tuple[Compute, ...] | None:
    try:
        services = cloud.list("compute", "/os-services?binary=nova-compute", "services")
        hypervisors = cloud.list("compute", "/os-hypervisors/detail", "hypervisors")
        stock = cloud.get("placement", "/allocation_candidates?resources=DISK_GB:1")
    except openstack.ApiError as e:
        if e.status == 403:
            return None
        raise
    return parse_computes(services, hypervisors, stock["provider_summaries"])


def _flavor(data: Mapping[str, Any]) -> Flavor:
    extra = bool(data.get("extra_specs"))
    return Flavor(
        data["id"],
        data["name"],
        data["vcpus"],
        data["ram"],
        data["disk"],
        extra,
        ephemeral=data.get("OS-FLV-EXT-DATA:ephemeral") or 0,
        swap=data.get("swap") or 0,
    )


def _quotas(cloud: openstack.Cloud, *, volumes: bool) -> tuple[Quota, ...]:
    absolute = cloud.get("compute", "/limits")["limits"]["absolute"]
    found = [
        _left("instances", absolute["maxTotalInstances"], absolute["totalInstancesUsed"]),
        _left("cores", absolute["maxTotalCores"], absolute["totalCoresUsed"]),
        _left("ram", absolute["maxTotalRAMSize"], absolute["totalRAMUsed"]),
    ]
    if volumes:
        limits = cloud.get("block_storage", "/limits")["limits"]["absolute"]
        found += [
            _left("volumes", limits["maxTotalVolumes"], limits["totalVolumesUsed"]),
            _left("gigabytes", limits["maxTotalVolumeGigabytes"], limits["totalGigabytesUsed"]),
        ]
    ports = cloud.get("network", f"/quotas/{cloud.project_id}/details.json")["quota"]["port"]
    found.append(_left("ports", ports["limit"], ports["used"]))
    return tuple(found)


def _left(name: str, limit: int, used: int) -> Quota:
    return Quota(name, None if limit < 0 else limit - used)
