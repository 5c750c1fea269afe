"""Servers as Nova's API shows them, with what decides whether and how they can be moved. Pure parsers of its JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Migration", "Server", "parse_migrations", "parse_server"]


@dataclass(frozen=True)
class Server:
    """One server. Sizes: `ram` in MiB, `disk` in GiB (what lies on the host: root, ephemeral and swap disks).

    `image` is the id of the image that it was made of, "" when it boots from a volume; `fault` why it is in ERROR, in Nova's
    words.
    """

    id: str
    name: str
    project: str
    status: str
    vm_state: str
    task_state: str
    host: str
    zone: str
    ram: int
    disk: int
    locked: bool = False
    config_drive: bool = False
    flavor: str = ""
    image: str = ""
    extra_specs: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True)
class Migration:
    """One record of a migration; `kind` is live-migration, migration, resize or evacuation."""

    id: int
    server: str
    source: str
    dest: str
    status: str
    kind: str
    uuid: str = ""
    """Its consumer in Placement, for as long as it holds what the server has on its source; "" when Nova is older than that."""

    @property
    def ended(self) -> bool:
        """True when Nova does nothing more about it by itself."""
        return self.status in _ENDED

    @property
    def failed(self) -> bool:
        """True when it ended and the server was not moved by it."""
        return self.status in _FAILED


# nova/objects/migration.py and the API guide on migrations name these.
_FAILED = frozenset({"error", "failed", "cancelled", "reverted"})
_ENDED = _FAILED | {"completed", "confirmed", "done", "finished"}


def parse_server(data: Mapping[str, Any]) -> Server:
    """One entry of ``GET /servers/detail`` as an administrator sees it (microversion 2.47 or later: the flavor is embedded)."""
    flavor = data["flavor"]
    image = str((data.get("image") or {}).get("id", ""))
    # Swap is in MiB, and "" when there is none.
    swap = -(-int(flavor.get("swap") or 0) // 1024)
    local = (int(flavor["disk"]) if image else 0) + int(flavor.get("ephemeral") or 0) + swap
    return Server(
        id=data["id"],
        name=data["name"],
        project=data["tenant_id"],
        status=data["status"],
        vm_state=data["OS-EXT-STS:vm_state"],
        task_state=data["OS-EXT-STS:task_state"] or "",
        host=data["OS-EXT-SRV-ATTR:host"] or "",
        zone=data.get("OS-EXT-AZ:availability_zone") or "",
        ram=int(flavor["ram"]),
        disk=local,
        locked=bool(data.get("locked")),
        config_drive=bool(data.get("config_drive")),
        flavor=flavor.get("original_name", ""),
        image=image,
        extra_specs=dict(flavor.get("extra_specs") or {}),
        metadata=dict(data.get("metadata") or {}),
        fault=(data.get("fault") or {}).get("message") or "",
    )


def parse_migrations(listed: Iterable[Mapping[str, Any]]) -> tuple[Migration, ...]:
    """The migrations of ``GET /os-migrations`` (the list under "migrations"), newest first."""
    found = [
        Migration(
            id=int(m["id"]),
            server=m["instance_uuid"],
            source=m["source_compute"] or "",
            dest=m["dest_compute"] or "",
            status=m["status"],
            kind=m.get("migration_type") or "",
            uuid=m.get("uuid") or "",
        )
        for m in listed
    ]
    return tuple(sorted(found, key=lambda m: -m.id))
