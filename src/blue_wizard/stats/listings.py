"""What is asked of the APIs: data only, one line a bulk listing."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LISTINGS", "Listing"]


@dataclass(frozen=True)
class Listing:
    """A listing of a service. `key` holds the rows in the answer.

    `version` is the newest microversion that we know (None: the service has none, or it does not matter). `page` is how many rows
    are asked for at once, with markers (None: one answer holds all). `optional`: where it is not there (404), there are none.
    """

    name: str
    service: str
    path: str
    key: str
    version: str | None = None
    page: int | None = None
    optional: bool = False


def _fields(*names: str) -> str:
    # Neutron judges by policy each attribute of each row: what is not asked for costs nothing.
    return "&".join(f"fields={name}" for name in names)


# Nova embeds the flavor from 2.47 on, and from 2.69 on counts the servers of a cell that is down (as UNKNOWN) instead of leaving
# them out. Cinder tells who has a volume from 3.27 on. Hypervisors have no sizes from 2.88 on.
_NOVA, _NOVA_SIZES, _CINDER = "2.96", "2.87", "3.71"

LISTINGS: dict[str, Listing] = {
    one.name: one
    for one in (
        Listing("servers", "compute", "/servers/detail?all_tenants=1", "servers", _NOVA, 1000),
        Listing("hypervisors", "compute", "/os-hypervisors/detail?", "hypervisors", _NOVA_SIZES, 1000),
        Listing("compute_services", "compute", "/os-services?binary=nova-compute", "services", _NOVA),
        Listing("flavors", "compute", "/flavors/detail?is_public=None", "flavors", _NOVA, 1000),
        Listing("aggregates", "compute", "/os-aggregates", "aggregates", _NOVA),
        Listing("compute_quota", "compute", "/os-quota-class-sets/default", "quota_class_set", _NOVA, optional=True),
        Listing("projects", "identity", "/projects", "projects"),
        Listing("domains", "identity", "/domains", "domains"),
        Listing("ip_availability", "network", "/network-ip-availabilities", "network_ip_availabilities"),
        Listing("networks", "network", "/networks?" + _fields(
            "id", "name", "project_id", "router:external", "shared", "status", "subnets", "provider:network_type",
            "provider:physical_network", "provider:segmentation_id"), "networks", page=2000),
        Listing("subnets", "network", "/subnets?" + _fields(
            "id", "name", "network_id", "project_id", "cidr", "ip_version", "subnetpool_id"), "subnets", page=2000),
        Listing("ports", "network", "/ports?" + _fields(
            "id", "network_id", "project_id", "device_owner", "device_id", "status", "fixed_ips", "binding:host_id",
            "binding:vif_type", "security_groups"), "ports", page=2000),
        Listing("floatingips", "network", "/floatingips?" + _fields(
            "id", "project_id", "floating_network_id", "port_id", "status", "created_at", "updated_at"),
            "floatingips", page=2000),
        Listing("routers", "network", "/routers?" + _fields(
            "id", "name", "project_id", "status", "ha", "distributed", "external_gateway_info"), "routers", page=2000),
        Listing("security_groups", "network", "/security-groups?" + _fields("id", "project_id"),
                "security_groups", page=2000),
        Listing("security_group_rules", "network", "/security-group-rules?" + _fields("id", "project_id", "security_group_id"),
                "security_group_rules", page=2000),
        Listing("agents", "network", "/agents", "agents"),
        Listing("network_quotas", "network", "/quotas", "quotas"),
        Listing("volumes", "block_storage", "/volumes/detail?all_tenants=1", "volumes", _CINDER, 1000),
        Listing("snapshots", "block_storage", "/snapshots/detail?all_tenants=1", "snapshots", _CINDER, 1000),
        Listing("backups", "block_storage", "/backups/detail?all_tenants=1", "backups", _CINDER, 1000, optional=True),
        Listing("volume_types", "block_storage", "/types?is_public=None", "volume_types", _CINDER),
        Listing("pools", "block_storage", "/scheduler-stats/get_pools?detail=true", "pools", _CINDER),
        # Without a limit Glance gives 25.
        Listing("images", "image", "/images?", "images", page=1000),
    )
}  # fmt: skip
"""By name. Placement and Ceph are asked by `collect` in their own ways, under the names ``providers`` and ``ceph``."""
