"""Volumes, snapshots, backups, volume types, and the pools behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from blue_wizard.stats.model import Column, Number, Unit, statistic, table, topic
from blue_wizard.stats.platform import DAY_S, GIB, Platform
from blue_wizard.text import _

topic("storage", lambda: _("Volumes"), "volumes", "snapshots", "backups", "volume_types", "pools", "ceph", rank=60)

_OLD_S = 90 * DAY_S
_MONTH_S = 30 * DAY_S


def _size(rows: Iterable[Mapping[str, Any]]) -> int:
    return sum(row["size"] or 0 for row in rows) * GIB


def idle(p: Platform) -> list[Any]:
    """Volumes that are attached to nothing."""
    return [v for v in p.rows("volumes") if v["status"] == "available"]


@statistic("storage.volumes", Unit.COUNT, lambda: _("Volumes"))
def count(p: Platform) -> Number:
    """Rows of `GET /volumes/detail?all_tenants=1`."""
    return len(p.rows("volumes"))


@statistic("storage.volumes_size", Unit.BYTES, lambda: _("Volumes: size promised"))
def size(p: Platform) -> Number:
    """Σ of the volumes' sizes (GiB): what projects may fill, not what is filled."""
    return _size(p.rows("volumes"))


@statistic("storage.attached_size", Unit.BYTES, lambda: _("Volumes: size attached"))
def attached_size(p: Platform) -> Number:
    """Σ of the sizes of volumes of status in-use."""
    return _size(v for v in p.rows("volumes") if v["status"] == "in-use")


@statistic("storage.idle", Unit.COUNT, lambda: _("Volumes that nothing uses"))
def idle_count(p: Platform) -> Number:
    """Volumes of status available."""
    return len(idle(p))


@statistic("storage.idle_size", Unit.BYTES, lambda: _("Volumes that nothing uses: size"))
def idle_size(p: Platform) -> Number:
    """Σ of the sizes of volumes of status available."""
    return _size(idle(p))


@statistic("storage.idle_month_size", Unit.BYTES, lambda: _("Volumes unused for 30 days: size"))
def idle_month_size(p: Platform) -> Number:
    """Σ of the sizes of volumes of status available whose "updated_at" (else "created_at") is 30 days old."""
    return _size(v for v in idle(p) if p.age_s(v.get("updated_at") or v["created_at"]) > _MONTH_S)


@statistic("storage.errors", Unit.COUNT, lambda: _("Volumes in error"))
def errors(p: Platform) -> Number:
    """Volumes whose status begins with error (error, error_deleting, error_extending ...)."""
    return sum(str(v["status"]).startswith("error") for v in p.rows("volumes"))


@statistic("storage.bootable", Unit.COUNT, lambda: _("Bootable volumes"))
def bootable(p: Platform) -> Number:
    """Volumes with bootable "true"."""
    return sum(str(v.get("bootable")).lower() == "true" for v in p.rows("volumes"))


@statistic("storage.encrypted", Unit.COUNT, lambda: _("Encrypted volumes"))
def encrypted(p: Platform) -> Number:
    """Volumes with encrypted true."""
    return sum(bool(v.get("encrypted")) for v in p.rows("volumes"))


@statistic("storage.multiattach", Unit.COUNT, lambda: _("Volumes with several attachments"))
def multiattach(p: Platform) -> Number:
    """Volumes that more than one server has attached."""
    return sum(len(v.get("attachments") or ()) > 1 for v in p.rows("volumes"))


@statistic("storage.snapshots", Unit.COUNT, lambda: _("Snapshots"))
def snapshots(p: Platform) -> Number:
    """Rows of `GET /snapshots/detail?all_tenants=1`."""
    return len(p.rows("snapshots"))


@statistic("storage.snapshots_size", Unit.BYTES, lambda: _("Snapshots: size of their volumes"))
def snapshots_size(p: Platform) -> Number:
    """Σ of "size" of snapshots: what their volumes were, the most that each can come to hold."""
    return _size(p.rows("snapshots"))


@statistic("storage.snapshots_old", Unit.COUNT, lambda: _("Snapshots older than 90 days"))
def snapshots_old(p: Platform) -> Number:
    """Snapshots whose "created_at" is 90 days old."""
    return sum(p.age_s(s["created_at"]) > _OLD_S for s in p.rows("snapshots"))


@statistic("storage.backups", Unit.COUNT, lambda: _("Backups"))
def backups(p: Platform) -> Number:
    """Rows of `GET /backups/detail?all_tenants=1`."""
    return len(p.rows("backups"))


@statistic("storage.backups_size", Unit.BYTES, lambda: _("Backups: size"))
def backups_size(p: Platform) -> Number:
    """Σ of "size" of backups (GiB)."""
    return _size(p.rows("backups"))


@statistic("storage.types", Unit.COUNT, lambda: _("Volume types"))
def types(p: Platform) -> Number:
    """Rows of `GET /types?is_public=None`, private ones included."""
    return len(p.rows("volume_types"))


@statistic("storage.types_unused", Unit.COUNT, lambda: _("Volume types without a volume"))
def types_unused(p: Platform) -> Number:
    """Volume types that no volume names."""
    used = {v.get("volume_type") for v in p.rows("volumes")}
    return sum(t["name"] not in used for t in p.rows("volume_types"))


def store(pool: Mapping[str, Any]) -> str:
    """What a pool of Cinder's scheduler stands on: two pools of one store have the same free space.

    The RBD driver tells ``ceph:CONF:FSID:USER:POOL`` in location_info (`cinder.volume.drivers.rbd`): the cluster's id is the
    store. Others are stores of their own.
    """
    capabilities = pool["capabilities"]
    words = str(capabilities.get("location_info") or "").split(":")
    return f"ceph {words[2]}" if words[0] == "ceph" and len(words) >= 5 else str(pool["name"])


def _number(value: Any) -> float | None:
    # Drivers may say "unknown" or "infinite".
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if found != float("inf") else None


def stores(p: Platform) -> dict[str, list[Mapping[str, Any]]]:
    """Pools of Cinder's scheduler by their store."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for pool in p.rows("pools"):
        found.setdefault(store(pool), []).append(pool)
    return found


def _free(pools: Sequence[Mapping[str, Any]]) -> float:
    return max((_number(x["capabilities"].get("free_capacity_gb")) or 0.0 for x in pools), default=0.0) * GIB


@statistic("storage.stores", Unit.COUNT, lambda: _("Stores behind Cinder"))
def store_count(p: Platform) -> Number:
    """Different stores behind the pools of `GET /scheduler-stats/get_pools?detail=true`: pools of one Ceph cluster (the fsid
    in location_info) are one."""
    return len(stores(p))


@statistic("storage.stores_free", Unit.BYTES, lambda: _("Free space in the stores behind Cinder"))
def stores_free(p: Platform) -> Number:
    """Σ over stores of the largest free_capacity_gb of their pools. Adding up the pools would count the free space of a Ceph
    cluster once for each of its backends."""
    return int(sum(_free(pools) for pools in stores(p).values()))


@statistic("storage.overcommit", Unit.RATIO, lambda: _("Size promised for each byte that there is"))
def overcommit(p: Platform) -> Number:
    """Σ of the volumes' sizes / Σ over stores of the largest total_capacity_gb of their pools."""
    total = sum(
        max((_number(x["capabilities"].get("total_capacity_gb")) or 0.0 for x in pools), default=0.0)
        for pools in stores(p).values()
    )
    return _size(p.rows("volumes")) / (total * GIB) if total else None


def _type_columns() -> Sequence[Column]:
    return (
        Column("type", _("type")),
        Column("volumes", _("volumes"), Unit.COUNT),
        Column("size", _("size"), Unit.BYTES),
        Column("attached", _("attached"), Unit.BYTES),
        Column("idle", _("idle"), Unit.BYTES),
        Column("public", _("public"), Unit.BOOL),
    )


@table("volume_types", "storage", lambda: _("Volumes by type"), _type_columns, chart=("size",), labels=("type",))
def by_type(p: Platform) -> Iterable[Mapping[str, Any]]:
    """One volume type a line, with the volumes that name it; "(none)" has those without a type, and types that are gone keep
    their name."""
    public = {t["name"]: bool(t.get("is_public")) for t in p.rows("volume_types")}
    groups: dict[str, list[Any]] = {name: [] for name in public}
    for volume in p.rows("volumes"):
        groups.setdefault(volume.get("volume_type") or _("(none)"), []).append(volume)
    for name, mine in sorted(groups.items(), key=lambda g: (-_size(g[1]), g[0])):
        yield {
            "type": name,
            "volumes": len(mine),
            "size": _size(mine),
            "attached": _size(v for v in mine if v["status"] == "in-use"),
            "idle": _size(v for v in mine if v["status"] == "available"),
            "public": public.get(name),
        }


def _pool_columns() -> Sequence[Column]:
    return (
        Column("pool", _("pool")),
        Column("store", _("store")),
        Column("state", _("state")),
        Column("total", _("size"), Unit.BYTES),
        Column("free", _("free"), Unit.BYTES),
        Column("allocated", _("size promised"), Unit.BYTES),
        Column("ratio", _("overcommit allowed"), Unit.RATIO),
        Column("thin", _("thin"), Unit.BOOL),
    )


@table("volume_pools", "storage", lambda: _("Pools of Cinder's scheduler"), _pool_columns)
def pools(p: Platform) -> Iterable[Mapping[str, Any]]:
    """One pool of Cinder's scheduler a line; those of one store see the same free space, so the column must not be added up."""
    for pool in sorted(p.rows("pools"), key=lambda x: str(x["name"])):
        c = pool["capabilities"]
        numbers = {k: _number(c.get(k)) for k in ("total_capacity_gb", "free_capacity_gb", "allocated_capacity_gb")}
        sizes = {k: None if v is None else int(v * GIB) for k, v in numbers.items()}
        yield {
            "pool": pool["name"],
            "store": store(pool),
            "state": c.get("backend_state", ""),
            "total": sizes["total_capacity_gb"],
            "free": sizes["free_capacity_gb"],
            "allocated": sizes["allocated_capacity_gb"],
            "ratio": _number(c.get("max_over_subscription_ratio")),
            "thin": c.get("thin_provisioning_support"),
        }
