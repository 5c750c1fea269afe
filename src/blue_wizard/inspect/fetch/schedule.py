"""Which agent holds which networks and routers: one call an agent, never one a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from blue_wizard.inspect.facts import provides
from blue_wizard.inspect.site import Site
from blue_wizard.reach.together import Late, together

__all__ = ["Hosting"]


@dataclass(frozen=True)
class Hosting:
    """Ids of networks by DHCP agent, and of routers by L3 agent."""

    networks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    routers: Mapping[str, frozenset[str]] = field(default_factory=dict)


@provides
def hosting(site: Site) -> Hosting:
    """Few agents at once (see Site)."""
    rows = site.get("network", "/agents?fields=id&fields=agent_type")["agents"]

    def one(agent: str, what: str) -> frozenset[str]:
        return frozenset(r["id"] for r in site.get("network", f"/agents/{agent}/{what}-{_KEYS[what]}")[_KEYS[what]])

    asked = [(r["id"], _KINDS[r["agent_type"]]) for r in rows if r["agent_type"] in _KINDS]
    answers = together([partial(one, agent, what) for agent, what in asked])
    found: dict[str, dict[str, frozenset[str]]] = {"dhcp": {}, "l3": {}}
    for (agent, what), answer in zip(asked, answers, strict=True):
        if not isinstance(answer, Late):
            found[what][agent] = answer
    return Hosting(found["dhcp"], found["l3"])


_KINDS = {"DHCP agent": "dhcp", "L3 agent": "l3"}
_KEYS = {"dhcp": "networks", "l3": "routers"}
