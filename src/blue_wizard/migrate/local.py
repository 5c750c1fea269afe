"""Disks on the compute host itself: which file is which disk, how much room they need, and which hosts have it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blue_wizard.migrate.mapping import Room, gib
from blue_wizard.migrate.wave import DiskPlan

__all__ = ["Compute", "candidates", "files", "parse_computes", "room_of"]


@dataclass(frozen=True)
class Compute:
    """A compute host that takes new servers. `free` is what instances may still be given there, in GiB."""

    host: str
    zone: str
    free: int


def room_of(disks: Sequence[DiskPlan]) -> Room:
    """What a machine's disks need of a flavor."""
    return Room(root=sum(gib(d.size) for d in disks if d.boot), ephemeral=sum(gib(d.size) for d in disks if not d.boot))


def files(disks: Sequence[DiskPlan]) -> list[str]:
    """The name of each disk's file in the instance's folder: ``disk`` for the root disk, ``disk.ephN`` for the others.

    Source: nova/virt/libvirt/blockinfo.py. Nova numbers the blank disks in the order in which they are asked for.
    """
    numbers = iter(range(len(disks)))
    return ["disk" if d.boot else f"disk.eph{next(numbers)}" for d in disks]


def parse_computes(
    services: Iterable[Mapping[str, Any]],
    hypervisors: Iterable[Mapping[str, Any]],
    summaries: Mapping[str, Any],
) -> tuple[Compute, ...]:
    """The hosts that take servers, from Nova's services and hypervisors and Placement's summaries of DISK_GB.

    A host has as much room as both of them allow: Placement by its inventory and its allocation ratio, and Nova by
    ``disk_available_least``, what the file system has left when every sparse disk on it is full.
    """
    zones = {s["host"]: s["zone"] for s in services if s["status"] == "enabled" and s["state"] == "up"}
    found = []
    for h in hypervisors:
        host = h["service"]["host"]
        if host not in zones:
            continue
        stock = summaries.get(str(h["id"]), {}).get("resources", {}).get("DISK_GB", {"capacity": 0, "used": 0})
        least = h.get("disk_available_least")
        allowed = int(stock["capacity"]) - int(stock["used"])
        found.append(Compute(host, zones[host], max(0, allowed if least is None else min(allowed, int(least)))))
    return tuple(sorted(found, key=lambda c: c.host))


def candidates(computes: Iterable[Compute], zone: str | None) -> tuple[Compute, ...]:
    """The hosts that a server may come to: those of its zone, or all."""
    return tuple(c for c in computes if zone in {None, c.zone})
