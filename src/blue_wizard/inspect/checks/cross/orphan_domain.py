"""Domains that Nova made and does not know any more."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Hypervisors, Servers
from blue_wizard.facts.domains import HypervisorDomains
from blue_wizard.inspect.facts import Everywhere, same_host
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["orphan_domain"]


@check(
    "cross.orphan-domain",
    N_("A domain of Nova's has no server"),
    severity=Severity.WARNING,
    remedy=N_(
        "Make sure that Nova deleted it (openstack server show {uuid}: not found), keep its "
        "disks, then: virsh destroy {domain}; virsh undefine {domain}"
    ),
    reread=True,
)
def orphan_domain(
    domains: Everywhere[HypervisorDomains], servers: Servers, hypervisors: Hypervisors
) -> Iterable[Finding]:
    """With Nova's metadata, on one of its hypervisors, and no server of that id in any project: it takes memory and holds
    its disks."""
    hosts = {h.host for h in hypervisors.rows}
    for host, known in sorted(domains.at.items()):
        if not any(same_host(host, h) for h in hosts):
            continue
        for d in known.rows:
            if d.nova and d.uuid not in servers.by_id:
                yield found(
                    d.uuid,
                    N_("Domain {domain} ({name}) on {where} is {state}, and Nova knows no such server."),
                    host=host,
                    evidence=[
                        f"virsh domstats: {d.name} {d.state}",
                        "GET /servers/detail?all_tenants=1: not there",
                        *d.disks,
                    ],
                    domain=d.name,
                    name=d.server or d.uuid,
                    uuid=d.uuid,
                    where=host,
                    state=d.state,
                )
