"""Hosts from or to which migrations fail again and again."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Migration, Migrations, Servers
from blue_wizard.inspect.model import Finding, Now, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["failed_migrations"]

_DAY_S = 86400
_MANY = 3
_FAILED = {"error", "failed"}
_DONE = {"completed", "confirmed", "done", "finished"}


@check(
    "nova.failed-migrations",
    N_("Migrations fail"),
    severity=Severity.WARNING,
    remedy=N_(
        "Read why in the log of nova-compute on {where}: CPU models, libvirt's port and certificates, or the way to shared storage."
    ),
    profile=Profile.DAILY,
)
def failed_migrations(migrations: Migrations, servers: Servers, now: Now) -> Iterable[Finding]:
    """Three or more failures that name one host within a day, none of whose migrations has succeeded since. Those of servers
    that are gone are left out: nobody is worse off by them, and nobody can look into them."""
    recent = [m for m in migrations.rows if now.at - _ended(m) < _DAY_S]
    success: dict[str, float] = {}
    for m in recent:
        if m.status in _DONE:
            for host in {m.source, m.target} - {""}:
                success[host] = max(success.get(host, 0.0), _ended(m))
    failed: dict[str, list[Migration]] = {}
    for m in recent:
        if m.status in _FAILED and m.server in servers.by_id:
            for host in {m.source, m.target} - {""}:
                if _ended(m) > success.get(host, 0.0):
                    failed.setdefault(host, []).append(m)
    for host, rows in sorted(failed.items()):
        if len(rows) >= _MANY:
            yield found(
                f"migrations {host}",
                N_("{count} migrations from or to {where} failed within a day."),
                host=host,
                evidence=[f"{m.kind} {m.source} -> {m.target}: {m.server}" for m in rows][:5],
                where=host,
                count=len(rows),
            )


def _ended(m: Migration) -> float:
    return m.updated or m.created
