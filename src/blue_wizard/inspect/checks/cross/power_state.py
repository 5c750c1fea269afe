"""Servers whose state in Nova is not that of their domain."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Migrations, Servers
from blue_wizard.facts.domains import HypervisorDomains
from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["power_state"]


@check(
    "cross.power-state",
    N_("Nova and libvirt disagree on whether a server runs"),
    severity=Severity.WARNING,
    remedy=N_(
        "Ask its owner what it should be, then: openstack server start {id} (or stop). Nova's own check only "
        "logs it, or stops it."
    ),
    under=("libvirt.io-error", "libvirt.crashed"),
    reread=True,
)
def power_state(servers: Servers, domains: Everywhere[HypervisorDomains], migrations: Migrations) -> Iterable[Finding]:
    """ACTIVE while the domain is shut off, SHUTOFF while it runs, ACTIVE while it is paused."""
    for s in servers.rows:
        known = domains.of(s.host) if s.host else None
        d = known.by_uuid.get(s.id) if known else None
        if d is None or not s.settled or s.id in migrations.moving:
            continue
        wrong = (s.status == "ACTIVE" and d.state in {"shutoff", "paused", "crashed"}) or (
            s.status == "SHUTOFF" and d.state == "running"
        )
        if wrong:
            yield found(
                s.id,
                N_("Server {name} is {status} in Nova; its domain is {state}."),
                host=s.host,
                evidence=[
                    f"GET /servers/detail: {s.status}, power_state {s.power}",
                    f"virsh domstats on {s.host}: {d.name} {d.state}",
                ],
                name=s.label,
                id=s.id,
                status=s.status,
                state=d.state,
            )
