"""What could be given back: held, and used by nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from blue_wizard.stats.model import Column, Number, Unit, statistic, table, topic
from blue_wizard.stats.platform import DAY_S, GIB, MIB, Missing, Platform
from blue_wizard.text import _

topic("waste", lambda: _("What could be given back"), "servers", "flavors", "volumes", "snapshots", "floatingips", "ports",
      "images", rank=90)  # fmt: skip

_MONTH_S = 30 * DAY_S
_OLD_S = 90 * DAY_S


def _unchanged(p: Platform, rows: Iterable[Mapping[str, Any]], seconds: float) -> list[Mapping[str, Any]]:
    return [r for r in rows if p.age_s(r.get("updated_at") or r.get("updated") or r.get("created_at")) > seconds]


def off(p: Platform) -> list[Mapping[str, Any]]:
    """Servers that are shut off and have not changed for 30 days."""
    return _unchanged(p, (s for s in p.servers if s["status"] == "SHUTOFF"), _MONTH_S)


def failed(p: Platform) -> list[Mapping[str, Any]]:
    """Servers in error that have not changed for 30 days."""
    return _unchanged(p, (s for s in p.servers if s["status"] == "ERROR"), _MONTH_S)


def volumes(p: Platform) -> list[Mapping[str, Any]]:
    """Volumes of status available or error that have not changed for 30 days."""
    return _unchanged(p, (v for v in p.rows("volumes") if v["status"] in {"available", "error"}), _MONTH_S)


def snapshots(p: Platform) -> list[Mapping[str, Any]]:
    """Snapshots made 90 days ago or longer."""
    return [s for s in p.rows("snapshots") if p.age_s(s["created_at"]) > _OLD_S]


def addresses(p: Platform) -> list[Mapping[str, Any]]:
    """Floating IPs without a port that have not changed for 30 days."""
    return _unchanged(p, (f for f in p.rows("floatingips") if not f["port_id"]), _MONTH_S)


def ports(p: Platform) -> list[Mapping[str, Any]]:
    """Ports without a device and without an owner."""
    return [x for x in p.rows("ports") if not x["device_id"] and not x["device_owner"]]


def images(p: Platform) -> list[Mapping[str, Any]]:
    """Images that have not changed for 90 days and that no server and no volume was made of."""
    used = {s["image"]["id"] for s in p.servers if s.get("image")}
    used |= {(v.get("volume_image_metadata") or {}).get("image_id") for v in p.rows("volumes")}
    return [i for i in _unchanged(p, p.rows("images"), _OLD_S) if i["id"] not in used and i["status"] == "active"]


def _room(p: Platform, rows: Iterable[Mapping[str, Any]], what: str) -> int:
    return sum(p.size(s, what) for s in rows)


@statistic("waste.vcpus", Unit.VCPU, lambda: _("VCPUs that could be given back"))
def vcpus(p: Platform) -> Number:
    """Σ of the VCPUs of the servers that have been shut off or in error for 30 days: both keep their allocation in Placement."""
    return _room(p, [*off(p), *failed(p)], "vcpus")


@statistic("waste.memory", Unit.BYTES, lambda: _("Memory that could be given back"))
def memory(p: Platform) -> Number:
    """Σ of the memory of the servers that have been shut off or in error for 30 days."""
    return _room(p, [*off(p), *failed(p)], "ram") * MIB


@statistic("waste.storage", Unit.BYTES, lambda: _("Size of volumes and images that could be given back"))
def storage(p: Platform) -> Number:
    """Σ of the sizes of volumes (available or in error for 30 days) and of images (unused for 90 days): promised, not filled."""
    return sum(int(v["size"]) for v in volumes(p)) * GIB + sum(int(i.get("size") or 0) for i in images(p))


@statistic("waste.addresses", Unit.COUNT, lambda: _("Floating IPs that could be given back"))
def address_count(p: Platform) -> Number:
    """Floating IPs without a port that have not changed for 30 days."""
    return len(addresses(p))


def _columns() -> Sequence[Column]:
    return (
        Column("what", _("what")),
        Column("count", _("number"), Unit.COUNT),
        Column("vcpus", "VCPUs", Unit.VCPU),
        Column("memory", _("memory"), Unit.BYTES),
        Column("size", _("size"), Unit.BYTES),
    )


def _kinds() -> tuple[tuple[str, Callable[[Platform], list[Mapping[str, Any]]]], ...]:
    return (
        (_("servers shut off for 30 days"), off),
        (_("servers in error for 30 days"), failed),
        (_("volumes unused for 30 days"), volumes),
        (_("snapshots older than 90 days"), snapshots),
        (_("images unused for 90 days"), images),
        (_("floating IPs unused for 30 days"), addresses),
        (_("ports without a device"), ports),
    )


@table("waste", "waste", lambda: _("What could be given back"), _columns, labels=("what",))
def waste(p: Platform) -> Iterable[Mapping[str, Any]]:
    """One kind of thing a line that is held and that nobody uses. Whether it is really of no use, its owner knows: nothing is
    removed. A dash in the number: the listing could not be read."""
    for title, find in _kinds():
        line: dict[str, Any] = {"what": title, "count": None, "vcpus": None, "memory": None, "size": None}
        try:
            rows = find(p)
        except Missing:
            yield line
            continue
        line["count"] = len(rows)
        if find in (off, failed):
            line |= {"vcpus": _room(p, rows, "vcpus"), "memory": _room(p, rows, "ram") * MIB}
        elif find in (volumes, snapshots):
            line["size"] = sum(r["size"] for r in rows) * GIB
        elif find is images:
            line["size"] = sum(r.get("size") or 0 for r in rows)
        yield line
