"""A listing by a newer microversion than the one that is asked for else, where the service knows it."""

from __future__ import annotations

from typing import Any, Protocol

from blue_wizard.reach.openstack import ApiError

__all__ = ["Listing", "listed_by"]

_NOT_ACCEPTABLE = 406


class Listing(Protocol):
    """Who reads all pages of a listing of one cloud."""

    def list(self, service: str, path: str, key: str, *, microversion: str | None = None) -> list[dict[str, Any]]:
        """All entries."""


def listed_by(api: Listing, service: str, path: str, key: str, *, microversion: str) -> list[dict[str, Any]]:
    """All entries by this microversion; an older service is asked as always. Raises BlueWizardError."""
    try:
        return api.list(service, path, key, microversion=microversion)
    except ApiError as e:
        if e.status != _NOT_ACCEPTABLE:
            raise
    return api.list(service, path, key)
