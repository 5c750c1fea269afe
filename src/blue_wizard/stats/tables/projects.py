"""Projects: what each uses of every service, in one table, without a call a project."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from blue_wizard.stats.model import Column, Number, Unit, statistic, table, topic
from blue_wizard.stats.platform import GIB, MIB, Missing, Platform
from blue_wizard.text import _

topic("projects", lambda: _("Projects"), "projects", "domains", "servers", "flavors", "volumes", "snapshots", "backups",
      "ports", "networks", "floatingips", "routers", "security_groups", "images", "compute_quota", "network_quotas",
      "hypervisors", "compute_services", "aggregates", "providers", rank=40)  # fmt: skip

_VOLUME_OWNER = "os-vol-tenant-attr:tenant_id"
_OWNED = {"ports": "project_id", "networks": "project_id", "floatingips": "project_id", "routers": "project_id",
          "security_groups": "project_id"}  # fmt: skip


def _count(p: Platform, listing: str, owner: str) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for row in p.rows(listing):
        found[row.get(owner) or ""] += 1
    return found


def _owners(p: Platform) -> dict[str, int]:
    """Project id to the number of its servers, volumes, snapshots, images, ports, floating IPs and routers."""
    found: dict[str, int] = defaultdict(int)
    for listing, owner in (
        ("servers", "tenant_id"),
        ("volumes", _VOLUME_OWNER),
        ("snapshots", "os-extended-snapshot-attributes:project_id"),
        ("images", "owner"),
        ("ports", "project_id"),
        ("floatingips", "project_id"),
        ("routers", "project_id"),
    ):
        for project, number in _count(p, listing, owner).items():
            # Ports of the cloud's own (HA networks, ends of DVR) have no owner.
            if project:
                found[project] += number
    return found


@statistic("projects.count", Unit.COUNT, lambda: _("Projects"))
def count(p: Platform) -> Number:
    """Rows of `GET /v3/projects` that are no domains."""
    return len(p.projects)


@statistic("projects.domains", Unit.COUNT, lambda: _("Domains"))
def domains(p: Platform) -> Number:
    """Rows of `GET /v3/domains`."""
    return len(p.rows("domains"))


@statistic("projects.disabled", Unit.COUNT, lambda: _("Disabled projects"))
def disabled(p: Platform) -> Number:
    """Projects with "enabled" false."""
    return sum(not one["enabled"] for one in p.projects.values())


@statistic("projects.disabled_using", Unit.COUNT, lambda: _("Disabled projects that still hold resources"))
def disabled_using(p: Platform) -> Number:
    """Disabled projects that own a server, volume, snapshot, image, port, floating IP or router."""
    owners = _owners(p)
    return sum(not one["enabled"] and owners.get(id_, 0) > 0 for id_, one in p.projects.items())


@statistic("projects.empty", Unit.COUNT, lambda: _("Projects without any resource"))
def empty(p: Platform) -> Number:
    """Projects that own no server, volume, snapshot, image, port, floating IP or router."""
    owners = _owners(p)
    return sum(owners.get(id_, 0) == 0 for id_ in p.projects)


@statistic("projects.gone", Unit.COUNT, lambda: _("Owners that Keystone does not know"))
def gone(p: Platform) -> Number:
    """Project ids that own resources and are no project any more: whoever deleted the project left them behind."""
    known = {row["id"] for row in p.rows("projects")}
    return sum(project not in known for project in _owners(p))


@statistic("projects.quota_vcpus", Unit.VCPU, lambda: _("VCPUs promised by default quotas"))
def quota_vcpus(p: Platform) -> Number:
    """Default quota of cores (`GET /os-quota-class-sets/default`) * enabled projects; none where the quota is unlimited.
    Overrides of single projects would cost a call each, and are not in it."""
    quota: Any = p.rows("compute_quota")
    cores = quota.get("cores", -1) if quota else -1
    return None if cores < 0 else cores * sum(one["enabled"] for one in p.projects.values())


@statistic("projects.quota_promise", Unit.RATIO, lambda: _("VCPUs promised for each one that there is"))
def quota_promise(p: Platform) -> Number:
    """projects.quota_vcpus / capacity of VCPU and PCPU: how far the cloud lives on most projects not using their quota."""
    promised, stock = quota_vcpus(p), p.sum_of("capacity", "VCPU") + p.sum_of("capacity", "PCPU")
    return promised / stock if promised is not None and stock else None


@statistic("projects.network_quotas", Unit.COUNT, lambda: _("Projects with network quotas of their own"))
def network_quotas(p: Platform) -> Number:
    """Rows of Neutron's `GET /v2.0/quotas`, which lists the projects that differ from the default."""
    return len(p.rows("network_quotas"))


@statistic("projects.top_share", Unit.PERCENT, lambda: _("Share of VCPUs of the biggest project"))
def top_share(p: Platform) -> Number:
    """100 * VCPUs of the servers of the project with the most / VCPUs of all servers."""
    found: dict[str, int] = defaultdict(int)
    for server in p.servers:
        found[server["tenant_id"]] += p.size(server, "vcpus")
    total = sum(found.values())
    return 100 * max(found.values()) / total if total else None


def _columns() -> Sequence[Column]:
    return (
        Column("project", _("project")),
        Column("domain", _("Keystone domain")),
        Column("servers", _("servers"), Unit.COUNT),
        Column("vcpus", "VCPUs", Unit.VCPU),
        Column("memory", _("memory"), Unit.BYTES),
        Column("volumes", _("volumes"), Unit.COUNT),
        Column("volume_size", _("size of volumes"), Unit.BYTES),
        Column("snapshot_size", _("snapshots"), Unit.BYTES),
        Column("backup_size", _("backups"), Unit.BYTES),
        Column("images", _("images"), Unit.COUNT),
        Column("image_size", _("size of images"), Unit.BYTES),
        Column("ports", _("ports"), Unit.COUNT),
        Column("networks", _("networks"), Unit.COUNT),
        Column("routers", _("routers"), Unit.COUNT),
        Column("floatingips", _("floating IPs"), Unit.COUNT),
        Column("security_groups", _("security groups"), Unit.COUNT),
        Column("enabled", _("enabled"), Unit.BOOL),
        Column("id", "id"),
    )


def _optional(p: Platform, listing: str, owner: str, size: str = "") -> dict[str, int] | None:
    """By project the number of rows, or the sum of `size`; None when the listing could not be read."""
    try:
        rows = p.rows(listing)
    except Missing:
        return None
    found: dict[str, int] = defaultdict(int)
    for row in rows:
        found[row.get(owner) or ""] += int(row.get(size) or 0) if size else 1
    return found


@table("projects", "projects", lambda: _("Projects"), _columns, chart=("vcpus",), labels=("project", "domain", "id"))
def projects(p: Platform) -> Iterable[Mapping[str, Any]]:
    """One project a line, the most VCPUs first: sums of the bulk listings by owner, no limits call a project. An owner that
    Keystone does not know has its line too. A dash: that service could not be read."""
    servers = _optional(p, "servers", "tenant_id")
    vcpus: dict[str, int] = defaultdict(int)
    memory: dict[str, int] = defaultdict(int)
    if servers is not None:
        for s in p.servers:
            vcpus[s["tenant_id"]] += p.size(s, "vcpus")
            memory[s["tenant_id"]] += p.size(s, "ram") * MIB
    parts: dict[str, tuple[dict[str, int] | None, int]] = {
        "servers": (servers, 1),
        "vcpus": (None if servers is None else vcpus, 1),
        "memory": (None if servers is None else memory, 1),
        "volumes": (_optional(p, "volumes", _VOLUME_OWNER), 1),
        "volume_size": (_optional(p, "volumes", _VOLUME_OWNER, "size"), GIB),
        "snapshot_size": (_optional(p, "snapshots", "os-extended-snapshot-attributes:project_id", "size"), GIB),
        "backup_size": (_optional(p, "backups", "os-backup-project-attr:project_id", "size"), GIB),
        "images": (_optional(p, "images", "owner"), 1),
        "image_size": (_optional(p, "images", "owner", "size"), 1),
        **{listing: (_optional(p, listing, owner), 1) for listing, owner in _OWNED.items()},
    }
    names = {d["id"]: d["name"] for d in p.snapshot.rows.get("domains", [])}
    owners = {id_ for found, _f in parts.values() if found is not None for id_ in found if id_}
    ids = [*p.projects, *sorted(owners - {row["id"] for row in p.rows("projects")})]
    lines = []
    for id_ in ids:
        one = p.projects.get(id_)
        lines.append(
            {
                "project": one["name"] if one else _("(unknown to Keystone)"),
                "domain": names.get(one["domain_id"], one["domain_id"]) if one else "",
                **{
                    key: None if found is None else found.get(id_, 0) * factor for key, (found, factor) in parts.items()
                },
                "enabled": one["enabled"] if one else None,
                "id": id_,
            }
        )
    return sorted(lines, key=lambda line: (-(line["vcpus"] or 0), -(line["volume_size"] or 0), line["project"]))
