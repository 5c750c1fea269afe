"""Hosts from or to which migrations fail again and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blue_wizard.facts.compute import Migrations
from blue_wizard.inspect.model import Finding, Now, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["failed_migrations"]

_DAY_S = 86400
_MANY = 3


@check(
    "nova.failed-migrations",
    N_("Migrations fail"),
    severity=Severity.WARNING,
    remedy=N_(
        "Read why in the log of nova-compute on {where}: CPU models, libvirt's port and certificates, or the way to shared storage."
    ),
    profile=Profile.DAILY,
)
def failed_migrations(migrations: Migrations, now: Now) -> Iterable[Finding]:
    """Three or more failures that name one host within a day."""
    failed = [
        m for m in migrations.rows if m.status in {"error", "failed"} and now.at - (m.updated or m.created) < _DAY_S
    ]
    for host, count in Counter(h for m in failed for h in {m.source, m.target} if h).items():
        if count >= _MANY:
            yield found(
                f"migrations {host}",
                N_("{count} migrations from or to {where} failed within a day."),
                host=host,
                evidence=[
                    f"{m.kind} {m.source} -> {m.target}: {m.server}" for m in failed if host in {m.source, m.target}
                ][:5],
                where=host,
                count=count,
            )
