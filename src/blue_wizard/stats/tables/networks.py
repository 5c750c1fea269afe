"""Networks: address pools and who has taken them, floating IPs, ports, segments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from blue_wizard.stats.model import Column, Number, Unit, statistic, table, topic
from blue_wizard.stats.platform import DAY_S, Platform
from blue_wizard.text import _

topic("network", lambda: _("Networks"), "networks", "subnets", "ports", "floatingips", "routers", "ip_availability",
      "security_groups", "security_group_rules", "agents", rank=50)  # fmt: skip

_NEARLY_FULL = 90.0
_VLANS = 4094


def _external(p: Platform) -> list[Any]:
    return [n for n in p.rows("networks") if n["router:external"]]


def _availability(p: Platform) -> list[Any]:
    """Subnets of IPv4 with their pools: an IPv6 subnet has more addresses than anybody could use, and spoils every sum."""
    external = {n["id"] for n in _external(p)}
    return [
        {**subnet, "network_id": n["network_id"], "network": n["network_name"], "external": n["network_id"] in external}
        for n in p.rows("ip_availability")
        for subnet in n["subnet_ip_availability"]
        if subnet["ip_version"] == 4
    ]


def _pool(p: Platform) -> tuple[int, int]:
    """Total and used addresses of external networks; of a subnet no more than its total counts as used."""
    mine = [s for s in _availability(p) if s["external"]]
    return sum(s["total_ips"] for s in mine), sum(min(s["used_ips"], s["total_ips"]) for s in mine)


@statistic("network.networks", Unit.COUNT, lambda: _("Networks"))
def networks(p: Platform) -> Number:
    """Rows of `GET /v2.0/networks`."""
    return len(p.rows("networks"))


@statistic("network.subnets", Unit.COUNT, lambda: _("Subnets"))
def subnets(p: Platform) -> Number:
    """Rows of `GET /v2.0/subnets`."""
    return len(p.rows("subnets"))


@statistic("network.external", Unit.COUNT, lambda: _("External networks"))
def external(p: Platform) -> Number:
    """Networks with router:external true."""
    return len(_external(p))


@statistic("network.unused", Unit.COUNT, lambda: _("Networks without a guest or router"))
def unused(p: Platform) -> Number:
    """Networks that are not external and have no port but DHCP's and metadata's (device_owner network:dhcp,
    network:distributed)."""
    busy = {
        x["network_id"] for x in p.rows("ports") if x["device_owner"] not in {"network:dhcp", "network:distributed"}
    }
    return sum(bool(n["id"] not in busy and not n["router:external"]) for n in p.rows("networks"))


@statistic("network.ports", Unit.COUNT, lambda: _("Ports"))
def ports(p: Platform) -> Number:
    """Rows of `GET /v2.0/ports`."""
    return len(p.rows("ports"))


@statistic("network.ports_guest", Unit.COUNT, lambda: _("Ports of servers"))
def ports_guest(p: Platform) -> Number:
    """Ports whose device_owner begins with compute:."""
    return sum(str(x["device_owner"]).startswith("compute:") for x in p.rows("ports"))


@statistic("network.ports_failed", Unit.COUNT, lambda: _("Ports whose binding failed"))
def ports_failed(p: Platform) -> Number:
    """Ports with binding:vif_type binding_failed."""
    return sum(str(x.get("binding:vif_type")) == "binding_failed" for x in p.rows("ports"))


@statistic("network.ports_idle", Unit.COUNT, lambda: _("Ports that nothing uses"))
def ports_idle(p: Platform) -> Number:
    """Ports without a device: each holds an address all the same."""
    return sum(not x["device_id"] for x in p.rows("ports"))


@statistic("network.routers", Unit.COUNT, lambda: _("Routers"))
def routers(p: Platform) -> Number:
    """Rows of `GET /v2.0/routers`."""
    return len(p.rows("routers"))


@statistic("network.routers_ha", Unit.COUNT, lambda: _("Routers with a stand-in"))
def routers_ha(p: Platform) -> Number:
    """Routers with "ha" true (VRRP). Under OVN all are, without saying so."""
    return sum(bool(r.get("ha")) for r in p.rows("routers"))


@statistic("network.floatingips", Unit.COUNT, lambda: _("Floating IPs"))
def floatingips(p: Platform) -> Number:
    """Rows of `GET /v2.0/floatingips`."""
    return len(p.rows("floatingips"))


@statistic("network.floatingips_idle", Unit.COUNT, lambda: _("Floating IPs that nothing uses"))
def floatingips_idle(p: Platform) -> Number:
    """Floating IPs without a port."""
    return sum(not f["port_id"] for f in p.rows("floatingips"))


@statistic("network.floatingips_idle_month", Unit.COUNT, lambda: _("Floating IPs unused for 30 days"))
def floatingips_idle_month(p: Platform) -> Number:
    """Floating IPs without a port whose "updated_at" is 30 days old."""
    return sum(not f["port_id"] and p.age_s(f.get("updated_at")) > 30 * DAY_S for f in p.rows("floatingips"))


@statistic("network.external_ips", Unit.COUNT, lambda: _("External IPv4 addresses"))
def external_ips(p: Platform) -> Number:
    """Σ of total_ips over the IPv4 subnets of external networks (`GET /v2.0/network-ip-availabilities`): addresses of their
    allocation pools."""
    return _pool(p)[0]


@statistic("network.external_ips_used", Unit.COUNT, lambda: _("External IPv4 addresses: used"))
def external_ips_used(p: Platform) -> Number:
    """Σ of min(used_ips, total_ips): Neutron counts allocations outside the pools as used too, so its own share can pass
    100 %."""
    return _pool(p)[1]


@statistic("network.external_ips_free", Unit.COUNT, lambda: _("External IPv4 addresses: free"))
def external_ips_free(p: Platform) -> Number:
    """External addresses minus used ones; what is idle in projects' hands (network.floatingips_idle) counts as used."""
    total, used = _pool(p)
    return total - used


@statistic("network.external_ips_percent", Unit.PERCENT, lambda: _("External IPv4 addresses: share used"))
def external_ips_percent(p: Platform) -> Number:
    """100 * used / total of the external addresses."""
    total, used = _pool(p)
    return 100 * used / total if total else None


@statistic("network.subnets_full", Unit.COUNT, lambda: _("Subnets that are nearly full"))
def subnets_full(p: Platform) -> Number:
    """IPv4 subnets whose used_ips are 90 % of their total_ips or more."""
    return sum(bool(s["total_ips"] and 100 * s["used_ips"] / s["total_ips"] >= _NEARLY_FULL) for s in _availability(p))


@statistic("network.vlans", Unit.COUNT, lambda: _("VLANs in use"))
def vlans(p: Platform) -> Number:
    """Networks of provider:network_type vlan, by physical network and segment."""
    return len(
        {
            (n["provider:physical_network"], n["provider:segmentation_id"])
            for n in p.rows("networks")
            if n.get("provider:network_type") == "vlan"
        }
    )


@statistic("network.vlans_percent", Unit.PERCENT, lambda: _("VLANs in use on the fullest physical network"))
def vlans_percent(p: Platform) -> Number:
    """100 * VLANs / 4094 of the physical network with the most; the configured range may be smaller."""
    found = Counter(
        n["provider:physical_network"] for n in p.rows("networks") if n.get("provider:network_type") == "vlan"
    )
    return 100 * max(found.values()) / _VLANS if found else None


@statistic("network.tunnels", Unit.COUNT, lambda: _("Tunnel networks"))
def tunnels(p: Platform) -> Number:
    """Networks of provider:network_type vxlan, geneve or gre."""
    return sum(n.get("provider:network_type") in {"vxlan", "geneve", "gre"} for n in p.rows("networks"))


@statistic("network.security_groups", Unit.COUNT, lambda: _("Security groups"))
def security_groups(p: Platform) -> Number:
    """Rows of `GET /v2.0/security-groups`."""
    return len(p.rows("security_groups"))


@statistic("network.security_groups_unused", Unit.COUNT, lambda: _("Security groups without a port"))
def security_groups_unused(p: Platform) -> Number:
    """Security groups that stand in "security_groups" of no port. Each project's default group is among them where unused."""
    used = {group for x in p.rows("ports") for group in x.get("security_groups") or ()}
    return sum(g["id"] not in used for g in p.rows("security_groups"))


@statistic("network.security_rules", Unit.COUNT, lambda: _("Rules of security groups"))
def security_rules(p: Platform) -> Number:
    """Rows of `GET /v2.0/security-group-rules`."""
    return len(p.rows("security_group_rules"))


@statistic("network.agents_down", Unit.COUNT, lambda: _("Neutron agents that are down"))
def agents_down(p: Platform) -> Number:
    """Agents with "alive" false in `GET /v2.0/agents`."""
    return sum(not a["alive"] for a in p.rows("agents"))


def _kinds() -> dict[str, str]:
    return {
        "floating": _("floating IPs in use"),
        "idle": _("floating IPs idle"),
        "gateway": _("gateways of routers"),
        "dhcp": _("DHCP"),
        "server": _("servers"),
        "other": _("other"),
    }


def _kind(port: Mapping[str, Any], idle: frozenset[str]) -> str:
    owner = port["device_owner"]
    if owner == "network:floatingip":
        return "idle" if port["device_id"] in idle else "floating"
    if owner in {"network:router_gateway", "network:router_centralized_snat", "network:floatingip_agent_gateway"}:
        return "gateway"
    if owner in {"network:dhcp", "network:distributed"}:
        return "dhcp"
    return "server" if owner.startswith("compute:") else "other"


def _pool_columns() -> Sequence[Column]:
    return (
        Column("network", _("network")),
        Column("total", _("addresses"), Unit.COUNT),
        Column("used", _("used"), Unit.COUNT),
        Column("free", _("free"), Unit.COUNT),
        Column("percent", "%", Unit.PERCENT),
        *(Column(key, title, Unit.COUNT) for key, title in _kinds().items()),
        Column("id", "id"),
    )


@table(
    "ip_pools",
    "network",
    lambda: _("External address pools"),
    _pool_columns,
    chart=("percent",),
    labels=("network", "id"),
)
def ip_pools(p: Platform) -> Iterable[Mapping[str, Any]]:
    """One external network a line, IPv4 only: where its addresses went, by the device_owner of the ports that hold them. The
    parts can be more than "used" where ports have addresses outside the pools."""
    idle = frozenset(f["id"] for f in p.rows("floatingips") if not f["port_id"])
    four = {s["id"] for s in p.rows("subnets") if s["ip_version"] == 4}
    for n in sorted(_external(p), key=lambda n: n["name"]):
        mine = [s for s in _availability(p) if s["network_id"] == n["id"]]
        total = sum(s["total_ips"] for s in mine)
        used = sum(min(s["used_ips"], s["total_ips"]) for s in mine)
        kinds: Counter[str] = Counter()
        for port in p.rows("ports"):
            if port["network_id"] == n["id"]:
                kinds[_kind(port, idle)] += sum(a["subnet_id"] in four for a in port["fixed_ips"])
        yield {
            "network": n["name"] or n["id"],
            "total": total,
            "used": used,
            "free": total - used,
            "percent": 100 * used / total if total else None,
            **{key: kinds[key] for key in _kinds()},
            "id": n["id"],
        }


def _subnet_columns() -> Sequence[Column]:
    return (
        Column("network", _("network")),
        Column("subnet", _("subnet")),
        Column("cidr", "CIDR"),
        Column("total", _("addresses"), Unit.COUNT),
        Column("used", _("used"), Unit.COUNT),
        Column("percent", "%", Unit.PERCENT),
    )


@table("subnets", "network", lambda: _("Subnets, the fullest first"), _subnet_columns)
def subnet_table(p: Platform) -> Iterable[Mapping[str, Any]]:
    """One IPv4 subnet a line. Addresses are those of the allocation pools; used are all allocations, also outside them, so
    the share can pass 100 %."""
    lines = [
        {
            "network": s["network"],
            "subnet": s["subnet_name"] or s["subnet_id"],
            "cidr": s["cidr"],
            "total": s["total_ips"],
            "used": s["used_ips"],
            "percent": 100 * s["used_ips"] / s["total_ips"] if s["total_ips"] else None,
        }
        for s in _availability(p)
    ]
    return sorted(lines, key=lambda line: (-(line["percent"] or 0), line["cidr"]))


def _owner_columns() -> Sequence[Column]:
    return (Column("owner", _("owner of the port")), Column("ports", _("ports"), Unit.COUNT))


@table("port_owners", "network", lambda: _("Ports by owner"), _owner_columns)
def port_owners(p: Platform) -> Iterable[Mapping[str, Any]]:
    """Ports by device_owner; an availability zone after compute: is left out."""
    found = Counter(x["device_owner"].partition(":")[0] if x["device_owner"].startswith("compute:")
                    else x["device_owner"] for x in p.rows("ports"))  # fmt: skip
    return [{"owner": owner or _("(none)"), "ports": number} for owner, number in found.most_common()]
