"""The APIs of a cloud that may be years old: calls at the newest microversion that both of us know."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from blue_wizard.reach.openstack import Cloud

__all__ = ["Api", "owned"]

# From 2.47 on a server carries its flavor with it; nothing later is needed.
_COMPUTE, _VOLUME = "2.60", "3.59"


class Api:
    """One cloud, seen from one project. Methods as those of `reach.openstack.Cloud`, whatever the age of the services."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.project = cloud.project_id

    @cached_property
    def _compute(self) -> str:
        return self.cloud.microversion("compute", _COMPUTE) or ""

    @cached_property
    def _volume(self) -> str:
        return self.cloud.microversion("block_storage", _VOLUME) or ""

    def version(self, service: str) -> str | None:
        """The microversion that is asked for: "" for a service that has none, None for the services that know no such thing."""
        return {"compute": lambda: self._compute, "block_storage": lambda: self._volume}.get(service, lambda: None)()

    def get(self, service: str, path: str, *, missing_ok: bool = False) -> Any:
        """GET; None for a 404 with `missing_ok`."""
        return self.cloud.get(service, path, missing_ok=missing_ok, microversion=self.version(service))

    def images(self, query: str = "") -> list[dict[str, Any]]:
        """The images that the query of Glance's listing finds, page after page."""
        found: list[dict[str, Any]] = []
        path = f"/images?limit=200{query and '&' + query}"
        while path:
            page = self.get("image", path)
            found += page["images"]
            # The link is a path of the API, version and all.
            path = "/images?" + page["next"].partition("?")[2] if page.get("next") else ""
        return found

    def list(self, service: str, path: str, key: str) -> list[dict[str, Any]]:
        """All entries of a listing."""
        return self.cloud.list(service, path, key, microversion=self.version(service))

    def post(self, service: str, path: str, body: Mapping[str, Any]) -> Any:
        """POST."""
        return self.cloud.post(service, path, body, microversion=self.version(service))

    def delete(self, service: str, path: str) -> None:
        """DELETE; something that is gone already is fine."""
        self.cloud.delete(service, path, microversion=self.version(service))


def owned(entry: Mapping[str, Any]) -> str:
    """The project that an object of Neutron belongs to; before Newton it was called a tenant."""
    return str(entry.get("project_id") or entry.get("tenant_id") or "")
