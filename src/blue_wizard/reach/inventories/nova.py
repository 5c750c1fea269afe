"""Hosts that Nova knows: its hypervisors with their addresses, and where its services run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from blue_wizard.reach.inventories.entry import Entry

if TYPE_CHECKING:
    from blue_wizard.reach.openstack import Cloud

__all__ = ["parse", "read"]


def read(name: str, connect: Callable[[str], Cloud] | None = None) -> list[Entry]:
    """The hosts of a cloud of clouds.yaml. Raises InputError, StepFailed or ApiError when Nova does not tell (admins only)."""
    from blue_wizard.reach import openstack

    cloud = (connect or openstack.connect)(name)
    return parse(
        cloud.list("compute", "/os-hypervisors/detail", "hypervisors"),
        cloud.get("compute", "/os-services")["services"],
        name,
    )


def parse(hypervisors: Collection[Mapping[str, Any]], services: Iterable[Mapping[str, Any]], cloud: str) -> list[Entry]:
    """The hosts in ``/os-hypervisors/detail`` and ``/os-services``; a host's groups are the names of its services.

    A host is called by the name of its services (`service.host`), which is what every other API says. Bare-metal nodes are
    machines of tenants, and left out. Nova's service for Hyper-V runs on the Windows host itself.
    """
    addresses = {
        h["service"]["host"]: str(h["host_ip"])
        for h in hypervisors
        if h.get("hypervisor_type") != "ironic" and h.get("host_ip")
    }
    windows = {h["service"]["host"] for h in hypervisors if h.get("hypervisor_type") == "hyperv"}
    groups: dict[str, set[str]] = {name: set() for name in addresses}
    for service in services:
        groups.setdefault(service["host"], set()).add(service["binary"])
    return [
        Entry(
            name,
            (f"nova:{cloud}",),
            address=addresses.get(name),
            groups=tuple(sorted(found)),
            system="windows" if name in windows else None,
        )
        for name, found in sorted(groups.items())
    ]
