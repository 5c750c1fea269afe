"""Masakari's view of a compute host: whether it watches it, and the mark that says it is in maintenance."""

from __future__ import annotations

from typing import Any

from blue_wizard.reach.openstack import Cloud

__all__ = ["host_of", "on_maintenance", "set_maintenance"]

_SERVICE = "instance_ha"
_TYPES = frozenset({"instance-ha", "ha"})


def host_of(cloud: Cloud, host: str) -> tuple[str, str] | None:
    """The segment and the id of a host; None when there is no Masakari, or it does not watch it."""
    if not _TYPES & {str(s["type"]) for s in cloud.sdk.service_catalog}:
        return None
    for segment in cloud.get(_SERVICE, "/segments")["segments"]:
        for one in cloud.get(_SERVICE, f"/segments/{segment['uuid']}/hosts")["hosts"]:
            if one["name"] == host:
                return str(segment["uuid"]), str(one["uuid"])
    return None


def on_maintenance(cloud: Cloud, segment: str, host: str) -> bool | None:
    """Whether Masakari leaves a host alone; None when it does not know it any more."""
    found: Any = cloud.get(_SERVICE, f"/segments/{segment}/hosts/{host}", missing_ok=True)
    return None if found is None else bool(found["host"]["on_maintenance"])


def set_maintenance(cloud: Cloud, segment: str, host: str, *, on: bool) -> None:
    """Let Masakari leave a host alone, or watch it again."""
    cloud.put(_SERVICE, f"/segments/{segment}/hosts/{host}", {"host": {"on_maintenance": on}})
