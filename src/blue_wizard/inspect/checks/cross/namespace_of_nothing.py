"""Namespaces of networks and routers that are gone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from blue_wizard.facts.network import Networks, Routers
from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.fetch.machine import Namespaces
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["namespace_of_nothing"]


@check(
    "cross.namespace-of-nothing",
    N_("Namespace belongs to a network or router that is gone"),
    severity=Severity.INFO,
    remedy=N_("On {where}: neutron-netns-cleanup, or when nothing runs in it: ip netns delete {namespace}"),
    profile=Profile.DAILY,
    reread=True,
)
def namespace_of_nothing(namespaces: Everywhere[Namespaces], networks: Networks, routers: Routers) -> Iterable[Finding]:
    """qdhcp-ID without a network, qrouter-ID, snat-ID without a router: their dnsmasq may still answer."""
    known = {"qdhcp": {n.id for n in networks.rows}, "ovnmeta": {n.id for n in networks.rows}}
    known |= {key: {r.id for r in routers.rows} for key in ("qrouter", "snat")}
    for host, n in sorted(namespaces.at.items()):
        for name in n.names:
            made = re.match(r"(qdhcp|ovnmeta|qrouter|snat)-([0-9a-f-]{36})$", name)
            if made and made[2] not in known[made[1]]:
                yield found(
                    name,
                    N_("{namespace} on {where} is of something that is gone."),
                    host=host,
                    evidence=[f"ip netns on {host}: {name}"],
                    namespace=name,
                    where=host,
                )
