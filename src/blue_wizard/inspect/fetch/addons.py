"""From services that not every cloud has. Where the catalogue has none, its checks are skipped."""

from __future__ import annotations

from functools import partial
from typing import Any

from blue_wizard.facts.addons import (
    Balancers,
    BareMetal,
    FencedHosts,
    SegmentHost,
    StackResource,
    StackResources,
)
from blue_wizard.inspect.facts import provides
from blue_wizard.inspect.site import Site
from blue_wizard.reach.together import Late, together

__all__: list[str] = []

_ABREAST = 4
_STACKS = 200
"""So many stacks are looked into: Heat has no listing of all resources."""


@provides
def balancers(site: Site) -> Balancers | None:
    """Two listings."""
    if not site.has("load-balancer"):
        return None
    rows = site.get("load_balancer", "/lbaas/loadbalancers")["loadbalancers"]
    return Balancers.parse(rows, site.get("load_balancer", "/octavia/amphorae")["amphorae"])


@provides
def stack_resources(site: Site) -> StackResources | None:
    """One call a stack, few at once: for deep profiles only. Stacks that are being changed are left out."""
    if not site.has("orchestration"):
        return None
    listed = site.get("orchestration", f"/stacks?global_tenant=true&limit={_STACKS}")["stacks"]
    rows = [r for r in listed if str(r.get("stack_status", "")).endswith("_COMPLETE")]

    def one(row: dict[str, Any]) -> tuple[StackResource, ...]:
        found = site.get("orchestration", f"/stacks/{row['stack_name']}/{row['id']}/resources")
        return StackResources.parse(row["stack_name"], found["resources"])

    resources: list[StackResource] = []
    for at in range(0, len(rows), _ABREAST):
        for answer in together([partial(one, row) for row in rows[at : at + _ABREAST]]):
            resources += () if isinstance(answer, Late) else answer
    return StackResources(tuple(resources))


@provides
def fenced_hosts(site: Site) -> FencedHosts | None:
    """One call a segment."""
    if not site.has("instance-ha"):
        return None
    found: list[SegmentHost] = []
    for segment in site.get("instance_ha", "/segments")["segments"]:
        hosts = site.get("instance_ha", f"/segments/{segment['uuid']}/hosts")["hosts"]
        found += FencedHosts.parse(segment["name"], hosts)
    return FencedHosts(tuple(found))


@provides
def bare_metal(site: Site) -> BareMetal | None:
    """One call."""
    if not site.has("baremetal"):
        return None
    return BareMetal.parse(site.get("baremetal", "/nodes/detail?limit=1000")["nodes"])
