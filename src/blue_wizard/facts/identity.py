"""What Keystone and Placement list: projects, endpoints, users; providers, inventories, allocations. Pure parsers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from blue_wizard.facts.compute import moment

__all__ = ["Endpoint", "Endpoints", "Inventory", "Project", "Projects", "Provider", "Providers", "User", "Users"]


@dataclass(frozen=True)
class Project:
    """A project."""

    id: str
    name: str = ""
    domain: str = ""
    enabled: bool = True


@dataclass(frozen=True)
class Projects:
    """``/v3/projects`` of all domains; `whole` is False where Keystone says that it cut the list off."""

    rows: tuple[Project, ...] = ()
    whole: bool = True

    @cached_property
    def by_id(self) -> Mapping[str, Project]:
        """By id."""
        return {p.id: p for p in self.rows}

    @staticmethod
    def parse(data: Mapping[str, Any]) -> Projects:
        """The answer of ``/v3/projects``."""
        rows = tuple(
            Project(r["id"], r["name"], r.get("domain_id") or "", bool(r.get("enabled", True)))
            for r in data["projects"]
        )
        return Projects(rows, not data.get("truncated"))


@dataclass(frozen=True)
class Endpoint:
    """An endpoint of the catalogue, with its service's type and name. `answer` is what a GET of its root gave: a status of HTTP,
    0 where nothing answered (with the reason in `error`)."""

    id: str
    service: str
    name: str
    interface: str
    region: str
    url: str
    enabled: bool = True
    answer: int = 200
    error: str = ""
    took_s: float = 0.0


@dataclass(frozen=True)
class Endpoints:
    """The catalogue, each distinct URL asked once."""

    rows: tuple[Endpoint, ...] = ()

    @staticmethod
    def parse(endpoints: Iterable[Mapping[str, Any]], services: Iterable[Mapping[str, Any]]) -> Endpoints:
        """Entries of ``/v3/endpoints`` and ``/v3/services``; not asked yet."""
        known = {s["id"]: s for s in services}
        return Endpoints(
            tuple(
                Endpoint(
                    r["id"],
                    known.get(r["service_id"], {}).get("type") or "",
                    known.get(r["service_id"], {}).get("name") or "",
                    r["interface"],
                    r.get("region_id") or "",
                    r["url"],
                    bool(r.get("enabled", True)),
                )
                for r in endpoints
            )
        )


@dataclass(frozen=True)
class User:
    """A user; `expires` in Unix seconds, 0.0 for never."""

    id: str
    name: str
    domain: str = ""
    enabled: bool = True
    expires: float = 0.0


@dataclass(frozen=True)
class Users:
    """``/v3/users``."""

    rows: tuple[User, ...] = ()

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> Users:
        """Entries of ``/v3/users``."""
        return Users(
            tuple(
                User(
                    r["id"],
                    r["name"],
                    r.get("domain_id") or "",
                    bool(r.get("enabled", True)),
                    moment(r.get("password_expires_at")),
                )
                for r in rows
            )
        )


@dataclass(frozen=True)
class Inventory:
    """What a provider has of one resource class."""

    total: int
    reserved: int = 0
    ratio: float = 1.0
    used: int = 0

    @property
    def capacity(self) -> int:
        """What may be allocated: int((total - reserved) * ratio), as Placement computes it."""
        return int((self.total - self.reserved) * self.ratio)


@dataclass(frozen=True)
class Provider:
    """A resource provider. `allocations`: resources by consumer."""

    id: str
    name: str
    inventories: Mapping[str, Inventory] = field(default_factory=dict)
    allocations: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    disabled: bool = False
    root: bool = True


@dataclass(frozen=True)
class Providers:
    """All resource providers."""

    rows: tuple[Provider, ...] = ()

    @cached_property
    def by_consumer(self) -> Mapping[str, tuple[Provider, ...]]:
        """The providers that a consumer has allocations on."""
        found: dict[str, list[Provider]] = {}
        for provider in self.rows:
            for consumer in provider.allocations:
                found.setdefault(consumer, []).append(provider)
        return {consumer: tuple(rows) for consumer, rows in found.items()}

    @staticmethod
    def parse(
        row: Mapping[str, Any],
        inventories: Mapping[str, Any],
        usages: Mapping[str, int],
        allocations: Mapping[str, Any],
        disabled: bool,
    ) -> Provider:
        """One provider, from its entry in ``/resource_providers`` and what lies below it."""
        return Provider(
            row["uuid"],
            row["name"],
            {
                name: Inventory(
                    int(i["total"]), int(i["reserved"]), float(i["allocation_ratio"]), int(usages.get(name, 0))
                )
                for name, i in inventories.items()
            },
            {consumer: dict(a["resources"]) for consumer, a in allocations.items()},
            disabled,
            row.get("parent_provider_uuid") is None,
        )
