"""Servers for which more or less room is held than their flavor takes."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Migrations, Servers
from blue_wizard.facts.identity import Providers
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["allocation_amount"]


@check(
    "cross.allocation-amount",
    N_("Allocation is not of the flavor's size"),
    severity=Severity.INFO,
    remedy=N_("Put it right: nova-manage placement heal_allocations --instance {id} --force"),
    profile=Profile.WEEKLY,
    reread=True,
)
def allocation_amount(servers: Servers, providers: Providers, migrations: Migrations) -> Iterable[Finding]:
    """VCPU and PCPU together, or MEMORY_MB, differ from the flavor. Flavors that override resources by their extra specs
    have none of a
    class, and are left out."""
    for s in servers.rows:
        at = providers.by_consumer.get(s.id, ())
        if not s.ram or not s.settled or s.id in migrations.moving or len({p.name for p in at}) != 1:
            continue
        held = {name: sum(p.allocations[s.id].get(name, 0) for p in at) for name in ("VCPU", "PCPU", "MEMORY_MB")}
        cpus = held["VCPU"] + held["PCPU"]
        if (cpus and cpus != s.vcpus) or (held["MEMORY_MB"] and held["MEMORY_MB"] != s.ram):
            yield found(
                s.id,
                N_("Server {name} holds {cpus} processors and {memory} MB; its flavor takes {vcpus} and {ram} MB."),
                host=s.host,
                evidence=[f"{p.name}: {dict(p.allocations[s.id])}" for p in at],
                name=s.label,
                id=s.id,
                cpus=cpus,
                memory=held["MEMORY_MB"],
                vcpus=s.vcpus,
                ram=s.ram,
            )
