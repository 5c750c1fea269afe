"""The flavors of a cloud with what they ask of hosts: their extra specs."""

from __future__ import annotations

from typing import Any, Protocol

from blue_wizard.reach.listing import Listing, listed_by
from blue_wizard.reach.openstack import ApiError

__all__ = ["listed", "specs_of"]

_SPECS = "2.61"
"""The first microversion of Nova that lists extra specs with their flavors (Rocky)."""


class Asking(Protocol):
    """Who asks the APIs of one cloud."""

    def get(self, service: str, path: str) -> Any:
        """One answer."""


class Api(Asking, Listing, Protocol):
    """Who also reads all pages of a listing."""


def listed(api: Api) -> list[dict[str, Any]]:
    """Entries of ``/flavors/detail``, private ones too, each with its `extra_specs`: {} where a policy keeps them from us.

    An older Nova is asked for those of one flavor after another. Raises BlueWizardError.
    """
    path = "/flavors/detail?is_public=None&limit=1000"
    rows = listed_by(api, "compute", path, "flavors", microversion=_SPECS)
    return [row if "extra_specs" in row else {**row, "extra_specs": specs_of(api, row["id"])} for row in rows]


def specs_of(api: Asking, flavor: str) -> dict[str, str]:
    """The extra specs of one flavor, by its id; {} where a policy keeps them from us. Raises BlueWizardError."""
    try:
        found: dict[str, str] = api.get("compute", f"/flavors/{flavor}/os-extra_specs")["extra_specs"]
    except ApiError as e:
        if e.status not in {403, 404}:
            raise
        return {}
    return found
