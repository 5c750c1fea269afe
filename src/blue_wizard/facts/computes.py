"""Compute hosts as Nova's API lists them: services and hypervisors. Pure parsers of its JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Hypervisor", "Service", "parse_hypervisors", "parse_services"]


@dataclass(frozen=True)
class Service:
    """One nova-compute: `up` is what the API says of its heartbeat, `reason` why it is disabled."""

    id: str
    host: str
    zone: str
    enabled: bool
    up: bool
    reason: str = ""
    forced_down: bool = False


@dataclass(frozen=True)
class Hypervisor:
    """One hypervisor: `id` is that of its resource provider in Placement (microversion 2.53 and later)."""

    id: str
    host: str
    name: str
    kind: str
    version: int


def parse_services(listed: Iterable[Mapping[str, Any]]) -> tuple[Service, ...]:
    """The compute services of ``GET /os-services`` (the list under "services"), by host."""
    found = [
        Service(
            id=str(s["id"]),
            host=s["host"],
            zone=s.get("zone") or "",
            enabled=s["status"] == "enabled",
            up=s["state"] == "up",
            reason=s.get("disabled_reason") or "",
            forced_down=bool(s.get("forced_down")),
        )
        for s in listed
        if s["binary"] == "nova-compute"
    ]
    return tuple(sorted(found, key=lambda s: s.host))


def parse_hypervisors(listed: Iterable[Mapping[str, Any]]) -> tuple[Hypervisor, ...]:
    """The hypervisors of ``GET /os-hypervisors/detail`` (the list under "hypervisors"), by host."""
    found = [
        Hypervisor(
            id=str(h["id"]),
            host=h["service"]["host"],
            name=h["hypervisor_hostname"],
            kind=h["hypervisor_type"],
            version=int(h["hypervisor_version"]),
        )
        for h in listed
    ]
    return tuple(sorted(found, key=lambda h: h.host))
