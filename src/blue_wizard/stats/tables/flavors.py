"""Flavors: who uses them, and how many more servers of each fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from blue_wizard.stats.capacity import fragmentation, slots
from blue_wizard.stats.model import Column, Number, Unit, statistic, table, topic
from blue_wizard.stats.platform import GIB, MIB, Platform
from blue_wizard.text import _

topic("flavors", lambda: _("Flavors"), "flavors", "servers", "hypervisors", "compute_services", "aggregates",
      "providers", "ceph", rank=30)  # fmt: skip


@statistic("flavors.count", Unit.COUNT, lambda: _("Flavors"))
def count(p: Platform) -> Number:
    """Rows of `GET /flavors/detail?is_public=None`, private ones included."""
    return len(p.flavors)


@statistic("flavors.private", Unit.COUNT, lambda: _("Private flavors"))
def private(p: Platform) -> Number:
    """Flavors with os-flavor-access:is_public false."""
    return sum(not f["os-flavor-access:is_public"] for f in p.flavors)


@statistic("flavors.unused", Unit.COUNT, lambda: _("Flavors without a server"))
def unused(p: Platform) -> Number:
    """Flavors whose name no server carries as the original_name of its embedded flavor."""
    return sum(f["name"] not in p.used_flavors for f in p.flavors)


@statistic("flavors.removed", Unit.COUNT, lambda: _("Servers of flavors that are gone"))
def removed(p: Platform) -> Number:
    """Servers whose flavor's original_name no flavor has today."""
    names = {f["name"] for f in p.flavors}
    return sum(number for name, number in p.used_flavors.items() if name not in names)


@statistic("flavors.full", Unit.COUNT, lambda: _("Flavors of which no server fits any more"))
def full(p: Platform) -> Number:
    """Flavors with no slot left on any host (see the column "slots left")."""
    return sum(number == 0 for number in p.slots.values())


@statistic("flavors.slots_common", Unit.COUNT, lambda: _("More servers of the most used flavor"))
def slots_common(p: Platform) -> Number:
    """Slots left for the flavor that most servers have."""
    common = p.common_flavor
    return None if common is None else p.slots[common["id"]]


@statistic("flavors.slots_largest", Unit.COUNT, lambda: _("More servers of the largest flavor"))
def slots_largest(p: Platform) -> Number:
    """Slots left for the flavor with the most VCPUs, then memory."""
    return p.slots[p.flavors[-1]["id"]] if p.flavors else None


@statistic("flavors.fragmentation", Unit.PERCENT, lambda: _("Free VCPUs that the largest flavor can't use"))
def fragmented(p: Platform) -> Number:
    """100 * (1 - slots * vcpus / free VCPUs) for the largest flavor: what is free, but in pieces too small, or without
    memory beside it."""
    if not p.flavors:
        return None
    found = fragmentation(p.hosts, p.requests[p.flavors[-1]["id"]])
    return None if found is None else 100 * found


def _columns() -> Sequence[Column]:
    return (
        Column("flavor", _("flavor")),
        Column("vcpus", "VCPUs", Unit.VCPU),
        Column("memory", _("memory"), Unit.BYTES),
        Column("disk", _("disk"), Unit.BYTES),
        Column("public", _("public"), Unit.BOOL),
        Column("servers", _("servers"), Unit.COUNT),
        Column("slots", _("slots left"), Unit.COUNT),
        Column("zones", _("by zone")),
        Column("fragmentation", _("unusable"), Unit.PERCENT),
    )


@table("flavors", "flavors", lambda: _("Flavors and slots left"), _columns, chart=("slots",), labels=("flavor",))
def flavors(p: Platform) -> Iterable[Mapping[str, Any]]:
    """One flavor a line. Slots left = Σ over hosts that take servers of the smallest free // amount over its resource classes:
    0 on a host whose max_unit, step_size, traits or aggregates do not fit; each flavor as if nothing else came.
    Unusable = 1 - slots * vcpus / free VCPUs."""
    zones = sorted({h.zone for h in p.hosts})
    for f in p.flavors:
        wanted = p.requests[f["id"]]
        by_zone = {z: slots([h for h in p.hosts if h.zone == z], wanted, p.shared_free) for z in zones}
        lost = fragmentation(p.hosts, wanted)
        yield {
            "flavor": f["name"],
            "vcpus": f["vcpus"],
            "memory": f["ram"] * MIB,
            "disk": (f["disk"] + (f.get("OS-FLV-EXT-DATA:ephemeral") or 0)) * GIB,
            "public": f["os-flavor-access:is_public"],
            "servers": p.used_flavors.get(f["name"], 0),
            "slots": p.slots[f["id"]],
            "zones": ", ".join(f"{z} {n}" for z, n in by_zone.items()),
            "fragmentation": None if lost is None else 100 * lost,
        }
