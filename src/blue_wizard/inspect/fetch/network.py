"""From Neutron. It has no pages unless asked for: one call a listing, with the fields that are used."""

from __future__ import annotations

from typing import Any

from blue_wizard.facts.network import (
    Agents,
    FloatingIps,
    Networks,
    Ports,
    Routers,
    SecurityGroups,
    Stocks,
    Subnets,
)
from blue_wizard.inspect.facts import provides
from blue_wizard.inspect.site import Site

__all__: list[str] = []


def _all(site: Site, path: str, key: str) -> list[dict[str, Any]]:
    site.require_admin()
    found: list[dict[str, Any]] = site.get("network", path)[key]
    return found


_PORT_FIELDS = ("id", "network_id", "device_id", "device_owner", "binding:host_id", "binding:vif_type",
                "binding:vnic_type", "status", "admin_state_up", "mac_address", "fixed_ips", "project_id", "created_at",
                "updated_at", "security_groups")  # fmt: skip


@provides
def agents(site: Site) -> Agents:
    """One call."""
    return Agents.parse(_all(site, "/agents", "agents"))


@provides
def networks(site: Site) -> Networks:
    """One call."""
    return Networks.parse(_all(site, "/networks", "networks"))


@provides
def subnets(site: Site) -> Subnets:
    """One call."""
    return Subnets.parse(_all(site, "/subnets", "subnets"))


@provides
def ports(site: Site) -> Ports:
    """One call."""
    fields = "&".join(f"fields={f}" for f in _PORT_FIELDS)
    return Ports.parse(_all(site, f"/ports?{fields}", "ports"))


@provides
def routers(site: Site) -> Routers:
    """One call."""
    return Routers.parse(_all(site, "/routers", "routers"))


@provides
def floating_ips(site: Site) -> FloatingIps:
    """One call."""
    return FloatingIps.parse(_all(site, "/floatingips", "floatingips"))


@provides
def stocks(site: Site) -> Stocks:
    """One call."""
    return Stocks.parse(_all(site, "/network-ip-availabilities", "network_ip_availabilities"))


@provides
def security_groups(site: Site) -> SecurityGroups:
    """One call."""
    fields = "fields=id&fields=name&fields=project_id&fields=security_group_rules"
    return SecurityGroups.parse(_all(site, f"/security-groups?{fields}", "security_groups"))
