"""Servers that have not got what their flavor promises."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Migrations, Servers
from blue_wizard.facts.domains import HypervisorDomains
from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["flavor_mismatch"]


@check(
    "cross.flavor-mismatch",
    N_("Server has not got what its flavor promises"),
    severity=Severity.WARNING,
    remedy=N_("A hard reboot makes the domain anew, by the flavor: openstack server reboot --hard {id}"),
    profile=Profile.DAILY,
    reread=True,
)
def flavor_mismatch(
    servers: Servers, domains: Everywhere[HypervisorDomains], migrations: Migrations
) -> Iterable[Finding]:
    """Processors or memory of the domain differ from the flavor's: a resize ended halfway, or somebody used virsh."""
    for s in servers.rows:
        known = domains.of(s.host) if s.host else None
        d = known.by_uuid.get(s.id) if known else None
        if d is None or not d.memory or not s.ram or not s.settled or s.id in migrations.moving:
            continue
        if (d.vcpus, d.memory) != (s.vcpus, s.ram):
            yield found(
                s.id,
                N_(
                    "Server {name} has {vcpus} processors and {memory} MiB; its flavor {flavor} has {wanted_vcpus} and "
                    "{wanted_memory} MiB."
                ),
                host=s.host,
                evidence=[f"virsh dumpxml on {s.host}: vcpu {d.vcpus}, memory {d.memory} MiB"],
                name=s.label,
                id=s.id,
                vcpus=d.vcpus,
                memory=d.memory,
                flavor=s.flavor,
                wanted_vcpus=s.vcpus,
                wanted_memory=s.ram,
            )
