"""What Nova's API lists: servers, services, hypervisors, migrations, groups, aggregates, flavors. Pure parsers of its JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

__all__ = ["Aggregate", "Aggregates", "ComputeService", "ComputeServices", "Flavor", "Flavors", "Hypervisor", "Hypervisors",
           "Migration", "Migrations", "Server", "ServerGroup", "ServerGroups", "Servers", "moment"]  # fmt: skip


def moment(text: str | None) -> float:
    """Unix seconds of a time as OpenStack writes it (UTC, with or without zone, T and fractions); 0.0 for none."""
    if not text:
        return 0.0
    made = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    return (made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp()


@dataclass(frozen=True)
class Server:
    """A server. Times in Unix seconds, `ram` in MiB, `disk` in GiB. `power` is Nova's number (1 running, 3 paused, 4 shut
    down)."""

    id: str
    name: str = ""
    project: str = ""
    status: str = "ACTIVE"
    vm_state: str = "active"
    task: str = ""
    power: int = 1
    host: str = ""
    host_status: str = "UP"
    created: float = 0.0
    updated: float = 0.0
    vcpus: int = 1
    ram: int = 0
    disk: int = 0
    flavor: str = ""
    image: str = ""
    volumes: tuple[str, ...] = ()
    locked: bool = False
    fault: str = ""
    macs: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Its name with its id, for people."""
        return f"{self.name} ({self.id})" if self.name else self.id

    @property
    def settled(self) -> bool:
        """Nothing is being done to it: what other services say of it should agree by now."""
        return not self.task and self.status not in {"BUILD", "MIGRATING", "RESIZE", "VERIFY_RESIZE", "REVERT_RESIZE"}

    @staticmethod
    def parse(raw: Mapping[str, Any]) -> Server:
        """One entry of ``/servers/detail`` (microversion 2.47 or newer: the flavor is in it)."""
        flavor = raw.get("flavor") or {}
        return Server(
            id=raw["id"],
            name=raw.get("name") or "",
            project=raw.get("tenant_id") or "",
            status=raw["status"],
            vm_state=raw.get("OS-EXT-STS:vm_state") or "",
            task=raw.get("OS-EXT-STS:task_state") or "",
            power=int(raw.get("OS-EXT-STS:power_state") or 0),
            host=raw.get("OS-EXT-SRV-ATTR:host") or "",
            host_status=raw.get("host_status") or "",
            created=moment(raw.get("created")),
            updated=moment(raw.get("updated")),
            vcpus=int(flavor.get("vcpus") or 0),
            ram=int(flavor.get("ram") or 0),
            disk=int(flavor.get("disk") or 0) + int(flavor.get("ephemeral") or 0),
            flavor=flavor.get("original_name") or "",
            image=(raw.get("image") or {}).get("id") or "",
            volumes=tuple(v["id"] for v in raw.get("os-extended-volumes:volumes_attached") or ()),
            locked=bool(raw.get("locked")),
            fault=(raw.get("fault") or {}).get("message") or "",
            macs=tuple(
                dict.fromkeys(
                    a["OS-EXT-IPS-MAC:mac_addr"].lower()
                    for rows in (raw.get("addresses") or {}).values()
                    for a in rows
                    if a.get("OS-EXT-IPS-MAC:mac_addr")
                )
            ),
        )


@dataclass(frozen=True)
class Servers:
    """All servers of all projects."""

    rows: tuple[Server, ...] = ()

    @cached_property
    def by_id(self) -> Mapping[str, Server]:
        """By id."""
        return {s.id: s for s in self.rows}

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> Servers:
        """All pages of ``/servers/detail``."""
        return Servers(tuple(Server.parse(r) for r in rows))


@dataclass(frozen=True)
class ComputeService:
    """A service of Nova on a host."""

    binary: str
    host: str
    id: str = ""
    enabled: bool = True
    up: bool = True
    forced_down: bool = False
    reason: str = ""
    updated: float = 0.0
    zone: str = ""


@dataclass(frozen=True)
class ComputeServices:
    """``/os-services``."""

    rows: tuple[ComputeService, ...] = ()

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> ComputeServices:
        """Entries of ``/os-services``."""
        return ComputeServices(
            tuple(
                ComputeService(
                    r["binary"],
                    r["host"],
                    str(r.get("id") or ""),
                    r["status"] == "enabled",
                    r["state"] == "up",
                    bool(r.get("forced_down")),
                    r.get("disabled_reason") or "",
                    moment(r.get("updated_at")),
                    r.get("zone") or "",
                )
                for r in rows
            )
        )


@dataclass(frozen=True)
class Hypervisor:
    """A hypervisor; its id is that of its resource provider (microversion 2.53 or newer)."""

    id: str
    name: str
    host: str
    up: bool = True
    enabled: bool = True
    version: int = 0
    kind: str = "QEMU"


@dataclass(frozen=True)
class Hypervisors:
    """``/os-hypervisors/detail``."""

    rows: tuple[Hypervisor, ...] = ()

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> Hypervisors:
        """Entries of ``/os-hypervisors/detail``."""
        return Hypervisors(
            tuple(
                Hypervisor(
                    str(r["id"]),
                    r["hypervisor_hostname"],
                    (r.get("service") or {}).get("host") or "",
                    r["state"] == "up",
                    r["status"] == "enabled",
                    int(r.get("hypervisor_version") or 0),
                    r.get("hypervisor_type") or "",
                )
                for r in rows
            )
        )


@dataclass(frozen=True)
class Migration:
    """A migration; `uuid` is also its consumer in Placement."""

    uuid: str
    server: str
    status: str
    source: str = ""
    target: str = ""
    kind: str = ""
    created: float = 0.0
    updated: float = 0.0

    @property
    def active(self) -> bool:
        """Not yet at its end; ``finished`` is a resize that waits to be confirmed."""
        return self.status not in {"completed", "done", "confirmed", "reverted", "error", "failed", "cancelled"}


@dataclass(frozen=True)
class Migrations:
    """``/os-migrations``: those of the last days."""

    rows: tuple[Migration, ...] = ()

    @cached_property
    def moving(self) -> frozenset[str]:
        """The servers with an active migration."""
        return frozenset(m.server for m in self.rows if m.active)

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> Migrations:
        """Entries of ``/os-migrations`` (microversion 2.59 or newer: with uuid)."""
        return Migrations(
            tuple(
                Migration(
                    r.get("uuid") or "",
                    r.get("instance_uuid") or "",
                    r.get("status") or "",
                    r.get("source_compute") or "",
                    r.get("dest_compute") or "",
                    r.get("migration_type") or "",
                    moment(r.get("created_at")),
                    moment(r.get("updated_at")),
                )
                for r in rows
            )
        )


@dataclass(frozen=True)
class ServerGroup:
    """A server group."""

    id: str
    name: str
    policies: tuple[str, ...]
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServerGroups:
    """``/os-server-groups`` of all projects."""

    rows: tuple[ServerGroup, ...] = ()

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> ServerGroups:
        """Entries of ``/os-server-groups`` (`policies` until 2.63, `policy` from 2.64 on)."""
        return ServerGroups(
            tuple(
                ServerGroup(
                    r["id"],
                    r.get("name") or "",
                    tuple(r.get("policies") or ([r["policy"]] if r.get("policy") else [])),
                    tuple(r.get("members") or ()),
                )
                for r in rows
            )
        )


@dataclass(frozen=True)
class Aggregate:
    """A host aggregate."""

    id: str
    name: str
    zone: str = ""
    hosts: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Aggregates:
    """``/os-aggregates``."""

    rows: tuple[Aggregate, ...] = ()

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> Aggregates:
        """Entries of ``/os-aggregates``."""
        return Aggregates(
            tuple(
                Aggregate(
                    str(r["id"]),
                    r["name"],
                    r.get("availability_zone") or "",
                    tuple(r.get("hosts") or ()),
                    r.get("metadata") or {},
                )
                for r in rows
            )
        )


@dataclass(frozen=True)
class Flavor:
    """A flavor; `ram` in MiB, `disk` in GiB."""

    id: str
    name: str
    vcpus: int
    ram: int
    disk: int = 0
    public: bool = True
    specs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Flavors:
    """``/flavors/detail``, private ones too."""

    rows: tuple[Flavor, ...] = ()

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> Flavors:
        """Entries of ``/flavors/detail``."""
        return Flavors(
            tuple(
                Flavor(
                    r["id"],
                    r["name"],
                    int(r["vcpus"]),
                    int(r["ram"]),
                    int(r.get("disk") or 0) + int(r.get("OS-FLV-EXT-DATA:ephemeral") or 0),
                    bool(r.get("os-flavor-access:is_public", True)),
                    r.get("extra_specs") or {},
                )
                for r in rows
            )
        )
