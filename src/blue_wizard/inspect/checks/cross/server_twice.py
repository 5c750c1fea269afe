"""Servers that run on two hosts at once."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Migrations, Servers
from blue_wizard.facts.domains import HypervisorDomains
from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["server_twice"]


@check(
    "cross.server-twice",
    N_("Server runs twice"),
    severity=Severity.CRITICAL,
    remedy=N_(
        "Pause one of both at once (virsh suspend on the host that Nova does not name): two of them write to "
        "one disk. Then check the filesystem."
    ),
    reread=True,
)
def server_twice(domains: Everywhere[HypervisorDomains], servers: Servers, migrations: Migrations) -> Iterable[Finding]:
    """One uuid is in the memory of QEMU on two hosts, and no migration is under way."""
    at: dict[str, list[str]] = {}
    for host, known in domains.at.items():
        for d in known.rows:
            if d.runs:
                at.setdefault(d.uuid, []).append(host)
    for uuid, hosts in sorted(at.items()):
        server = servers.by_id.get(uuid)
        if len(hosts) > 1 and uuid not in migrations.moving and not (server and server.task):
            yield found(
                uuid,
                N_("Server {name} runs on {hosts} at once."),
                evidence=[f"{host}: virsh domstats: {uuid} {domains.at[host].by_uuid[uuid].state}" for host in hosts],
                name=server.label if server else uuid,
                hosts=", ".join(sorted(hosts)),
            )
