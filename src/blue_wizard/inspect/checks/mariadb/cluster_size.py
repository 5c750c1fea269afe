"""Galera clusters that have lost members."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.mariadb import DatabaseServer
from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["cluster_size"]


@check(
    "mariadb.cluster-size",
    N_("Galera cluster has lost a member"),
    severity=Severity.WARNING,
    remedy=N_("Start MariaDB where it does not run, and watch it join: wsrep_local_state_comment becomes Synced."),
    under=("host.unreachable", "mariadb.cluster"),
)
def cluster_size(servers: Everywhere[DatabaseServer]) -> Iterable[Finding]:
    """Fewer members than hosts with a database server; an even number can lose its majority by one cut."""
    members = {host: s for host, s in servers.at.items() if s.galera}
    sizes = {host: int(s.number("wsrep_cluster_size")) for host, s in members.items()}
    wanted = len(members) + len(servers.missing)
    if members and max(sizes.values()) < len(members):
        yield found(
            "galera",
            N_("The Galera cluster has {size} members; {count} hosts run a database server."),
            evidence=[f"{host}: wsrep_cluster_size {size}" for host, size in sorted(sizes.items())],
            size=max(sizes.values()),
            count=wanted,
        )
    states = {s.status.get("wsrep_cluster_state_uuid", "") for s in members.values()}
    if len(states) > 1:
        yield found(
            "galera state",
            N_("The members of the Galera cluster hold {count} different states: there are two databases."),
            evidence=[f"{host}: {s.status.get('wsrep_cluster_state_uuid')}" for host, s in sorted(members.items())],
            severity=Severity.CRITICAL,
            count=len(states),
        )
