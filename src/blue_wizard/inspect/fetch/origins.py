"""Where the hosts come from, and which of these places did not answer."""

from __future__ import annotations

from dataclasses import dataclass

from blue_wizard.inspect.facts import provides
from blue_wizard.inspect.site import Site

__all__ = ["HostOrigins"]


@dataclass(frozen=True)
class HostOrigins:
    """Origins of hosts that could not be asked, with the reason."""

    failed: tuple[tuple[str, str], ...] = ()


@provides
def origins(site: Site) -> HostOrigins:
    """The inventory, as it is read for the hosts themselves."""
    return HostOrigins(tuple((origin, error.message) for origin, error in site.inventory().failed))
