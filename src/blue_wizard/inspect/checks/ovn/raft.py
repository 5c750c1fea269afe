"""The clusters of OVN's two databases."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.fetch.switches import OvnRaft
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["raft"]


@check(
    "ovn.raft",
    N_("Database of OVN is no full member of its cluster"),
    severity=Severity.CRITICAL,
    remedy=N_(
        "See it there: ovs-appctl -t CTL cluster/status NAME. A member that does not come back is taken "
        "out (cluster/kick) and made anew."
    ),
    under=("host.unreachable",),
    reread=True,
)
def raft(hosts: Everywhere[OvnRaft]) -> Iterable[Finding]:
    """As each member sees it."""
    clusters: dict[str, set[str]] = {}
    for host, known in sorted(hosts.at.items()):
        for name, told in sorted(known.databases.items()):
            clusters.setdefault(name, set()).add(told.get("Cluster ID", ""))
            status, leader = told.get("Status", "-"), told.get("Leader", "unknown")
            if status != "cluster member" or leader in {"unknown", ""}:
                yield found(
                    name,
                    N_("The {database} database is {status}, and its leader is {leader}."),
                    host=host,
                    evidence=[f"cluster/status on {host}: {dict(told)}"],
                    database=name,
                    status=status,
                    leader=leader or "-",
                )
    for name, ids in sorted(clusters.items()):
        if len(ids) > 1:
            yield found(
                f"{name} clusters",
                N_("The {database} database has {count} clusters."),
                evidence=sorted(ids),
                database=name,
                count=len(ids),
            )
