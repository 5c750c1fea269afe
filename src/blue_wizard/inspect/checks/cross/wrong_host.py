"""Servers that run on another host than Nova says."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Migrations, Servers
from blue_wizard.facts.domains import HypervisorDomains
from blue_wizard.inspect.facts import Everywhere, same_host
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["wrong_host"]


@check(
    "cross.wrong-host",
    N_("Server runs on another host than Nova says"),
    severity=Severity.CRITICAL,
    remedy=N_(
        "Do not start or rebuild it: that would make a second one. A migration ended halfway; read its "
        "records and logs on both hosts, then correct Nova's."
    ),
    under=("cross.server-twice",),
    reread=True,
)
def wrong_host(domains: Everywhere[HypervisorDomains], servers: Servers, migrations: Migrations) -> Iterable[Finding]:
    """Its domain is in memory elsewhere, and not on the host that Nova names (which could be asked)."""
    for host, known in sorted(domains.at.items()):
        for d in known.rows:
            s = servers.by_id.get(d.uuid)
            named = domains.of(s.host) if s else None
            if (
                s is None
                or named is None
                or not d.runs
                or not s.settled
                or s.id in migrations.moving
                or same_host(s.host, host)
            ):
                continue
            own = named.by_uuid.get(d.uuid)
            if own is None or not own.runs:
                yield found(
                    s.id,
                    N_("Server {name} runs on {where}; Nova says {named}."),
                    host=host,
                    evidence=[f"{host}: virsh: {d.uuid} {d.state}", f"GET /servers/detail: host {s.host}"],
                    name=s.label,
                    where=host,
                    named=s.host,
                )
