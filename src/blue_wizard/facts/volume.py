"""What Cinder's and Glance's APIs list: volumes, snapshots, attachments, services, pools, types, backups, images. Pure
parsers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from blue_wizard.facts.compute import moment

__all__ = ["Attachment", "Attachments", "Backup", "Backups", "Image", "Images", "Snapshot", "Snapshots", "Volume", "VolumePool",
           "VolumePools", "VolumeService", "VolumeServices", "VolumeType", "VolumeTypes", "Volumes"]  # fmt: skip


@dataclass(frozen=True)
class Volume:
    """A volume; `size` in GiB, `servers` those that it is attached to, `host` ``HOST@BACKEND#POOL``."""

    id: str
    name: str = ""
    project: str = ""
    status: str = "available"
    size: int = 1
    type: str = ""
    host: str = ""
    servers: tuple[str, ...] = ()
    created: float = 0.0
    updated: float = 0.0
    migration: str = ""
    multiattach: bool = False
    stored_as: str = ""

    @property
    def image(self) -> str:
        """The name of its RBD image: by its own id, or by that of the copy that a migration has put into its place."""
        return f"volume-{self.stored_as or self.id}"

    @property
    def label(self) -> str:
        """Its name with its id, for people."""
        return f"{self.name} ({self.id})" if self.name else self.id

    @property
    def moving(self) -> bool:
        """It is being migrated or retyped: Cinder has a second volume as the target then, which no listing shows."""
        return self.migration in {"starting", "migrating", "completing"}

    @property
    def settled(self) -> bool:
        """Nothing is being done to it."""
        return self.status in {"available", "in-use", "error", "maintenance"} and not self.moving

    @staticmethod
    def parse(raw: Mapping[str, Any]) -> Volume:
        """One entry of ``/volumes/detail``."""
        return Volume(
            raw["id"],
            raw.get("name") or "",
            raw.get("os-vol-tenant-attr:tenant_id") or "",
            raw["status"],
            int(raw["size"]),
            raw.get("volume_type") or "",
            raw.get("os-vol-host-attr:host") or "",
            tuple(a["server_id"] for a in raw.get("attachments") or () if a.get("server_id")),
            moment(raw.get("created_at")),
            moment(raw.get("updated_at")),
            raw.get("migration_status") or raw.get("os-vol-mig-status-attr:migstat") or "",
            bool(raw.get("multiattach")),
            raw.get("os-vol-mig-status-attr:name_id") or "",
        )


@dataclass(frozen=True)
class Volumes:
    """All volumes of all projects."""

    rows: tuple[Volume, ...] = ()

    @cached_property
    def by_id(self) -> Mapping[str, Volume]:
        """By id."""
        return {v.id: v for v in self.rows}

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> Volumes:
        """All pages of ``/volumes/detail``."""
        return Volumes(tuple(Volume.parse(r) for r in rows))


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of a volume; `size` in GiB."""

    id: str
    volume: str
    name: str = ""
    status: str = "available"
    size: int = 1
    created: float = 0.0
    updated: float = 0.0
    project: str = ""


@dataclass(frozen=True)
class Snapshots:
    """All snapshots of all projects."""

    rows: tuple[Snapshot, ...] = ()

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> Snapshots:
        """All pages of ``/snapshots/detail``."""
        return Snapshots(
            tuple(
                Snapshot(
                    r["id"],
                    r["volume_id"],
                    r.get("name") or "",
                    r["status"],
                    int(r["size"]),
                    moment(r.get("created_at")),
                    moment(r.get("updated_at")),
                    r.get("os-extended-snapshot-attributes:project_id") or "",
                )
                for r in rows
            )
        )


@dataclass(frozen=True)
class Attachment:
    """An attachment of a volume to a server."""

    id: str
    volume: str
    server: str
    status: str = "attached"


@dataclass(frozen=True)
class Attachments:
    """All attachments of all projects."""

    rows: tuple[Attachment, ...] = ()

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> Attachments:
        """All pages of ``/attachments/detail`` (microversion 3.27 or newer)."""
        return Attachments(
            tuple(Attachment(r["id"], r["volume_id"], r.get("instance") or "", r.get("status") or "") for r in rows)
        )


@dataclass(frozen=True)
class VolumeService:
    """A service of Cinder; `host` is ``HOST`` or ``HOST@BACKEND``."""

    binary: str
    host: str
    enabled: bool = True
    up: bool = True
    reason: str = ""
    updated: float = 0.0
    frozen: bool = False
    replication: str = ""


@dataclass(frozen=True)
class VolumeServices:
    """``/os-services`` of Cinder."""

    rows: tuple[VolumeService, ...] = ()

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> VolumeServices:
        """Entries of Cinder's ``/os-services``."""
        return VolumeServices(
            tuple(
                VolumeService(
                    r["binary"],
                    r["host"],
                    r["status"] == "enabled",
                    r["state"] == "up",
                    r.get("disabled_reason") or "",
                    moment(r.get("updated_at")),
                    bool(r.get("frozen")),
                    r.get("replication_status") or "",
                )
                for r in rows
            )
        )


@dataclass(frozen=True)
class VolumePool:
    """A pool of a backend; sizes in GiB, None where the driver gives no number (``infinite``, ``unknown``)."""

    name: str
    backend: str = ""
    total: float | None = None
    free: float | None = None
    provisioned: float | None = None
    oversubscription: float | None = None
    thin: bool = False
    location: str = ""
    state: str = "up"

    @property
    def rbd(self) -> tuple[str, str] | None:
        """Cluster and pool of an RBD backend (``ceph:CONF:FSID:USER:POOL``), None for others."""
        words = self.location.split(":")
        return (words[2], words[4]) if len(words) == 5 and words[0] == "ceph" else None


def _number(value: object) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


@dataclass(frozen=True)
class VolumePools:
    """``/scheduler-stats/get_pools?detail=true``."""

    rows: tuple[VolumePool, ...] = ()

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> VolumePools:
        """Entries of ``get_pools``."""
        return VolumePools(
            tuple(
                VolumePool(
                    r["name"],
                    c.get("volume_backend_name") or "",
                    _number(c.get("total_capacity_gb")),
                    _number(c.get("free_capacity_gb")),
                    _number(c.get("provisioned_capacity_gb", c.get("allocated_capacity_gb"))),
                    _number(c.get("max_over_subscription_ratio")),
                    bool(c.get("thin_provisioning_support")),
                    c.get("location_info") or "",
                    c.get("backend_state") or "up",
                )
                for r in rows
                for c in [r.get("capabilities") or {}]
            )
        )


@dataclass(frozen=True)
class VolumeType:
    """A volume type."""

    id: str
    name: str
    backend: str = ""
    public: bool = True


@dataclass(frozen=True)
class VolumeTypes:
    """``/types``."""

    rows: tuple[VolumeType, ...] = ()

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> VolumeTypes:
        """Entries of ``/types``."""
        return VolumeTypes(
            tuple(
                VolumeType(
                    r["id"],
                    r["name"],
                    (r.get("extra_specs") or {}).get("volume_backend_name") or "",
                    bool(r.get("is_public", True)),
                )
                for r in rows
            )
        )


@dataclass(frozen=True)
class Backup:
    """A backup of a volume."""

    id: str
    volume: str
    status: str
    created: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Backups:
    """``/backups/detail``."""

    rows: tuple[Backup, ...] = ()

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> Backups:
        """Entries of ``/backups/detail``."""
        return Backups(
            tuple(
                Backup(
                    r["id"],
                    r.get("volume_id") or "",
                    r["status"],
                    moment(r.get("created_at")),
                    r.get("fail_reason") or "",
                )
                for r in rows
            )
        )


@dataclass(frozen=True)
class Image:
    """An image; `size` in bytes. `stores` and `url` are "" where Glance does not show them."""

    id: str
    name: str = ""
    status: str = "active"
    size: int = 0
    owner: str = ""
    format: str = "raw"
    hashed: bool = True
    stores: str = ""
    url: str = ""
    created: float = 0.0
    updated: float = 0.0

    @property
    def label(self) -> str:
        """Its name with its id, for people."""
        return f"{self.name} ({self.id})" if self.name else self.id


@dataclass(frozen=True)
class Images:
    """All images, hidden ones too."""

    rows: tuple[Image, ...] = ()

    @cached_property
    def by_id(self) -> Mapping[str, Image]:
        """By id."""
        return {i.id: i for i in self.rows}

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> Images:
        """All pages of ``/v2/images``."""
        return Images(
            tuple(
                Image(
                    r["id"],
                    r.get("name") or "",
                    r["status"],
                    int(r.get("size") or 0),
                    r.get("owner") or "",
                    r.get("disk_format") or "",
                    bool(r.get("os_hash_value") or r.get("checksum")),
                    r.get("stores") or "",
                    r.get("direct_url") or "",
                    moment(r.get("created_at")),
                    moment(r.get("updated_at")),
                )
                for r in rows
            )
        )
