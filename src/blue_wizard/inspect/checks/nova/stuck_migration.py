"""Migrations that do not end."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Migrations, Servers
from blue_wizard.inspect.model import Finding, Now, Severity, check, found
from blue_wizard.text import N_

__all__ = ["stuck_migration"]

_STUCK_S = 7200
_RUNNING = {"accepted", "queued", "preparing", "pre-migrating", "running", "post-migrating", "migrating"}


@check(
    "nova.stuck-migration",
    N_("Migration does not end"),
    severity=Severity.WARNING,
    remedy=N_(
        "See how far it is: openstack server migration list --server {server}; then abort it or force its completion."
    ),
)
def stuck_migration(migrations: Migrations, servers: Servers, now: Now) -> Iterable[Finding]:
    """More than two hours in a state in which something should be moving. The record of a server that is gone stays as it was."""
    for m in migrations.rows:
        age = now.at - (m.updated or m.created)
        if m.status in _RUNNING and age > _STUCK_S and m.server in servers.by_id:
            yield found(
                m.uuid,
                N_("The migration of server {server} from {source} to {target} has been {status} for {hours} h."),
                host=m.source,
                evidence=[f"GET /os-migrations: {m.kind} {m.status}, updated {age:.0f} s ago"],
                server=m.server,
                source=m.source,
                target=m.target or "?",
                status=m.status,
                hours=f"{age / 3600:.1f}",
            )
