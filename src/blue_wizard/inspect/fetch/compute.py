"""From Nova and Placement."""

from __future__ import annotations

import time
from functools import partial
from typing import Any
from urllib.parse import quote

from blue_wizard.facts.compute import (
    Aggregates,
    ComputeServices,
    Flavors,
    Hypervisors,
    Migrations,
    ServerGroups,
    Servers,
)
from blue_wizard.facts.identity import Provider, Providers
from blue_wizard.inspect.facts import provides
from blue_wizard.inspect.site import Site
from blue_wizard.reach.flavors import listed
from blue_wizard.reach.listing import listed_by
from blue_wizard.reach.together import Late, together

__all__: list[str] = []

_DAY_S = 86400
_ABREAST = 4
_CELLS = "2.69"
_PLACEMENT = "1.18"
"""The first one that filters providers by traits."""


@provides
def servers(site: Site) -> Servers:
    """All pages; those that are deleted softly are listed apart, since they still hold what they had.

    From 2.69 on servers in a cell that does not answer are listed as UNKNOWN; before, they would just be missing.
    """
    path = "/servers/detail?all_tenants=1&limit=1000"
    rows = listed_by(site, "compute", path, "servers", microversion=_CELLS)
    rows += site.list("compute", f"{path}&deleted=true&status=SOFT_DELETED", "servers")
    return Servers.parse({r["id"]: r for r in rows}.values())


@provides
def services(site: Site) -> ComputeServices:
    """One call."""
    return ComputeServices.parse(site.get("compute", "/os-services")["services"])


@provides
def hypervisors(site: Site) -> Hypervisors:
    """All pages; ironic's nodes are machines of tenants, and left out."""
    rows = site.list("compute", "/os-hypervisors/detail?limit=1000", "hypervisors")
    return Hypervisors.parse(r for r in rows if r.get("hypervisor_type") != "ironic")


@provides
def migrations(site: Site) -> Migrations:
    """Those that changed in the last three days, and all that wait to be confirmed or run: they hold allocations, however old."""
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3 * _DAY_S))
    rows: dict[str, dict[str, Any]] = {}
    for which in (f"changes-since={quote(since)}", "status=finished", "status=running"):
        found = site.list("compute", f"/os-migrations?limit=1000&{which}", "migrations")
        rows |= {r["uuid"]: r for r in found}
    return Migrations.parse(rows.values())


@provides
def groups(site: Site) -> ServerGroups:
    """All projects."""
    found = site.get("compute", "/os-server-groups?all_projects=True&limit=1000")
    return ServerGroups.parse(found["server_groups"])


@provides
def aggregates(site: Site) -> Aggregates:
    """One call."""
    return Aggregates.parse(site.get("compute", "/os-aggregates")["aggregates"])


@provides
def flavors(site: Site) -> Flavors:
    """All pages, private ones too, with what they ask of hosts."""
    return Flavors.parse(listed(site))


@provides
def providers(site: Site) -> Providers:
    """Placement lists neither inventories nor allocations of several providers in one call: three calls a provider, few
    at once."""
    rows = site.get("placement", "/resource_providers", microversion=_PLACEMENT)["resource_providers"]
    path = "/resource_providers?required=COMPUTE_STATUS_DISABLED"
    off = site.get("placement", path, microversion=_PLACEMENT)["resource_providers"]
    disabled = {r["uuid"] for r in off}

    def one(row: dict[str, str]) -> Provider:
        base = f"/resource_providers/{row['uuid']}"
        return Providers.parse(
            row,
            site.get("placement", f"{base}/inventories")["inventories"],
            site.get("placement", f"{base}/usages")["usages"],
            site.get("placement", f"{base}/allocations")["allocations"],
            row["uuid"] in disabled,
        )

    found: list[Provider] = []
    for at in range(0, len(rows), _ABREAST):
        answers = together([partial(one, row) for row in rows[at : at + _ABREAST]])
        found += [a for a in answers if not isinstance(a, Late)]
    return Providers(tuple(found))
