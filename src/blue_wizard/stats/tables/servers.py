"""Servers: how many, how big, how old, in what state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from blue_wizard.stats.model import Column, Number, Unit, statistic, table, topic
from blue_wizard.stats.platform import DAY_S, GIB, MIB, Platform
from blue_wizard.text import _

topic("servers", lambda: _("Servers"), "servers", "flavors", "projects", rank=20)

LONG_OFF_S = 30 * DAY_S
_STUCK_S = 3600.0
_MOST = 20


def _in(p: Platform, *statuses: str) -> list[Any]:
    return [s for s in p.servers if s["status"] in statuses]


def long_off(p: Platform) -> list[Any]:
    """Servers that are shut off, and whose record has not changed for 30 days."""
    return [s for s in _in(p, "SHUTOFF") if p.age_s(s["updated"]) > LONG_OFF_S]


@statistic("servers.count", Unit.COUNT, lambda: _("Servers"))
def count(p: Platform) -> Number:
    """Rows of `GET /servers/detail?all_tenants=1`. From 2.69 on the servers of a cell that does not answer are among them."""
    return len(p.servers)


@statistic("servers.active", Unit.COUNT, lambda: _("Servers that run"))
def active(p: Platform) -> Number:
    """Servers of status ACTIVE."""
    return len(_in(p, "ACTIVE"))


@statistic("servers.off", Unit.COUNT, lambda: _("Servers that are shut off"))
def off(p: Platform) -> Number:
    """Servers of status SHUTOFF. They keep their allocation in Placement: their room is not free."""
    return len(_in(p, "SHUTOFF"))


@statistic("servers.error", Unit.COUNT, lambda: _("Servers in error"))
def error(p: Platform) -> Number:
    """Servers of status ERROR."""
    return len(_in(p, "ERROR"))


@statistic("servers.shelved", Unit.COUNT, lambda: _("Servers that are shelved"))
def shelved(p: Platform) -> Number:
    """Servers of status SHELVED or SHELVED_OFFLOADED; the latter hold nothing in Placement."""
    return len(_in(p, "SHELVED", "SHELVED_OFFLOADED"))


@statistic("servers.unconfirmed", Unit.COUNT, lambda: _("Servers that wait for a resize to be confirmed"))
def unconfirmed(p: Platform) -> Number:
    """Servers of status VERIFY_RESIZE: each holds its room on two hosts until it is confirmed."""
    return len(_in(p, "VERIFY_RESIZE"))


@statistic("servers.unreachable", Unit.COUNT, lambda: _("Servers of a cell that does not answer"))
def unreachable(p: Platform) -> Number:
    """Servers of status UNKNOWN (microversion 2.69): Nova knows that they exist, not what they are. No sum holds them."""
    return len(_in(p, "UNKNOWN"))


@statistic("servers.stuck", Unit.COUNT, lambda: _("Servers stuck in a task"))
def stuck(p: Platform) -> Number:
    """Servers with a task_state whose record has not changed for an hour."""
    return sum(bool(s.get("OS-EXT-STS:task_state")) and p.age_s(s.get("updated")) > _STUCK_S for s in p.servers)


@statistic("servers.vcpus", Unit.VCPU, lambda: _("VCPUs of servers"))
def vcpus(p: Platform) -> Number:
    """Σ of the VCPUs of the flavors embedded in the servers, whatever their state. Shelved ones are in it, though Placement
    does not count them."""
    return sum(p.size(s, "vcpus") for s in p.servers)


@statistic("servers.memory", Unit.BYTES, lambda: _("Memory of servers"))
def memory(p: Platform) -> Number:
    """Σ of the memory of the embedded flavors (MiB)."""
    return sum(p.size(s, "ram") for s in p.servers) * MIB


@statistic("servers.disk", Unit.BYTES, lambda: _("Flavor disks of servers"))
def disk(p: Platform) -> Number:
    """Σ of root and ephemeral disks of the embedded flavors (GiB), without servers that boot from a volume: their root disk
    is the volume's."""
    return sum(p.size(s, "disk") for s in p.servers if s.get("image")) * GIB


@statistic("servers.from_volume", Unit.COUNT, lambda: _("Servers that boot from a volume"))
def from_volume(p: Platform) -> Number:
    """Servers whose image is empty: Nova leaves it out of those that boot from a volume."""
    return sum(not s.get("image") for s in p.servers if s["status"] != "UNKNOWN")


@statistic("servers.locked", Unit.COUNT, lambda: _("Servers that are locked"))
def locked(p: Platform) -> Number:
    """Servers with "locked" true."""
    return sum(bool(s.get("locked")) for s in p.servers)


@statistic("servers.new_week", Unit.COUNT, lambda: _("Servers made in the last 7 days"))
def new_week(p: Platform) -> Number:
    """Servers that are there and were created within 7 days; those deleted since are not in it."""
    return sum(p.age_s(s.get("created")) < 7 * DAY_S for s in p.servers if s.get("created"))


@statistic("servers.oldest", Unit.DAYS, lambda: _("Age of the oldest server"))
def oldest(p: Platform) -> Number:
    """Days since the earliest "created" of a server."""
    return max((p.age_s(s.get("created")) / DAY_S for s in p.servers), default=None)


@statistic("servers.idle", Unit.COUNT, lambda: _("Servers shut off for 30 days"))
def idle(p: Platform) -> Number:
    """Servers of status SHUTOFF whose "updated" is 30 days old: they can be shelved, and give their room back."""
    return len(long_off(p))


@statistic("servers.idle_vcpus", Unit.VCPU, lambda: _("VCPUs held by servers shut off for 30 days"))
def idle_vcpus(p: Platform) -> Number:
    """Σ of VCPUs over servers.idle."""
    return sum(p.size(s, "vcpus") for s in long_off(p))


@statistic("servers.idle_memory", Unit.BYTES, lambda: _("Memory held by servers shut off for 30 days"))
def idle_memory(p: Platform) -> Number:
    """Σ of memory over servers.idle."""
    return sum(p.size(s, "ram") for s in long_off(p)) * MIB


def _state_columns() -> Sequence[Column]:
    return (
        Column("status", _("status")),
        Column("servers", _("servers"), Unit.COUNT),
        Column("vcpus", "VCPUs", Unit.VCPU),
        Column("memory", _("memory"), Unit.BYTES),
    )


@table("server_states", "servers", lambda: _("Servers by status"), _state_columns, chart=("servers",))
def states(p: Platform) -> Iterable[Mapping[str, Any]]:
    """Servers by status, with the sums of their flavors."""
    for status, number in Counter(s["status"] for s in p.servers).most_common():
        mine = _in(p, status)
        yield {
            "status": status,
            "servers": number,
            "vcpus": sum(p.size(s, "vcpus") for s in mine),
            "memory": sum(p.size(s, "ram") for s in mine) * MIB,
        }


def _big_columns() -> Sequence[Column]:
    return (
        Column("server", _("server")),
        Column("project", _("project")),
        Column("host", _("host")),
        Column("status", _("status")),
        Column("vcpus", "VCPUs", Unit.VCPU),
        Column("memory", _("memory"), Unit.BYTES),
        Column("age", _("age"), Unit.DAYS),
        Column("id", "id"),
    )


def _line(p: Platform, s: Mapping[str, Any]) -> Mapping[str, Any]:
    project = p.snapshot.rows.get("projects") and p.projects.get(s["tenant_id"])
    return {
        "server": s.get("name") or s["id"],
        "project": project["name"] if project else s["tenant_id"],
        "host": s.get("OS-EXT-SRV-ATTR:host") or "",
        "status": s["status"],
        "vcpus": p.size(s, "vcpus"),
        "memory": p.size(s, "ram") * MIB,
        "age": p.age_s(s.get("created")) / DAY_S,
        "id": s["id"],
    }


@table("big_servers", "servers", lambda: _("Biggest servers"), _big_columns)
def big(p: Platform) -> Iterable[Mapping[str, Any]]:
    """The 20 servers with the most memory, then VCPUs."""
    order = sorted(p.servers, key=lambda s: (-p.size(s, "ram"), -p.size(s, "vcpus"), s["id"]))
    return [_line(p, s) for s in order[:_MOST]]


@table("idle_servers", "servers", lambda: _("Servers shut off for 30 days"), _big_columns)
def idle_table(p: Platform) -> Iterable[Mapping[str, Any]]:
    """Servers that are shut off and have not changed for 30 days, the biggest first."""
    return [_line(p, s) for s in sorted(long_off(p), key=lambda s: (-p.size(s, "ram"), s["id"]))]
