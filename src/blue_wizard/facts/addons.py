"""What services list that not every cloud has: Octavia, Heat, Masakari, Ironic. Pure parsers of their JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Amphora",
    "Balancer",
    "Balancers",
    "BareMetal",
    "FencedHosts",
    "Node",
    "SegmentHost",
    "StackResource",
    "StackResources",
]  # fmt: skip


@dataclass(frozen=True)
class Balancer:
    """A load balancer; `port` is that of its address."""

    id: str
    name: str = ""
    status: str = "ACTIVE"
    port: str = ""

    @property
    def label(self) -> str:
        """Its name with its id, for people."""
        return f"{self.name} ({self.id})" if self.name else self.id


@dataclass(frozen=True)
class Amphora:
    """A virtual machine of Octavia's; `server` is its id in Nova, "" while it has none."""

    id: str
    balancer: str = ""
    server: str = ""
    status: str = "ALLOCATED"


@dataclass(frozen=True)
class Balancers:
    """``/lbaas/loadbalancers`` and ``/octavia/amphorae``."""

    rows: tuple[Balancer, ...] = ()
    amphorae: tuple[Amphora, ...] = ()

    @staticmethod
    def parse(balancers: Iterable[Mapping[str, Any]], amphorae: Iterable[Mapping[str, Any]]) -> Balancers:
        """The entries of both."""
        return Balancers(
            tuple(
                Balancer(r["id"], r.get("name") or "", r.get("provisioning_status") or "", r.get("vip_port_id") or "")
                for r in balancers
            ),
            tuple(
                Amphora(r["id"], r.get("loadbalancer_id") or "", r.get("compute_id") or "", r.get("status") or "")
                for r in amphorae
            ),
        )


@dataclass(frozen=True)
class StackResource:
    """A resource of a stack of Heat's, with the id of what it stands for."""

    stack: str
    name: str
    kind: str
    physical: str
    status: str = "CREATE_COMPLETE"


@dataclass(frozen=True)
class StackResources:
    """Resources of stacks that are at rest."""

    rows: tuple[StackResource, ...] = ()

    @staticmethod
    def parse(stack: str, rows: Iterable[Mapping[str, Any]]) -> tuple[StackResource, ...]:
        """Entries of ``/stacks/NAME/ID/resources``."""
        return tuple(
            StackResource(
                stack,
                r["resource_name"],
                r.get("resource_type") or "",
                r.get("physical_resource_id") or "",
                r.get("resource_status") or "",
            )
            for r in rows
        )


@dataclass(frozen=True)
class SegmentHost:
    """A host that Masakari watches over."""

    name: str
    segment: str
    maintenance: bool = False


@dataclass(frozen=True)
class FencedHosts:
    """The hosts of all failover segments."""

    rows: tuple[SegmentHost, ...] = ()

    @staticmethod
    def parse(segment: str, rows: Iterable[Mapping[str, Any]]) -> tuple[SegmentHost, ...]:
        """Entries of ``/segments/ID/hosts``."""
        return tuple(SegmentHost(r["name"], segment, bool(r.get("on_maintenance"))) for r in rows)


@dataclass(frozen=True)
class Node:
    """A machine of Ironic's; `server` is the id of the server on it."""

    id: str
    name: str = ""
    state: str = "available"
    server: str = ""
    maintenance: bool = False

    @property
    def label(self) -> str:
        """Its name with its id, for people."""
        return f"{self.name} ({self.id})" if self.name else self.id


@dataclass(frozen=True)
class BareMetal:
    """``/nodes/detail``."""

    rows: tuple[Node, ...] = ()

    @staticmethod
    def parse(rows: Iterable[Mapping[str, Any]]) -> BareMetal:
        """Entries of ``/nodes/detail``."""
        return BareMetal(
            tuple(
                Node(
                    r["uuid"],
                    r.get("name") or "",
                    r.get("provision_state") or "available",
                    r.get("instance_uuid") or "",
                    bool(r.get("maintenance")),
                )
                for r in rows
            )
        )
