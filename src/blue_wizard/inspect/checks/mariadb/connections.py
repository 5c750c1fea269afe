"""Database servers whose connections run out."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.mariadb import DatabaseServer
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["connections"]

_WARN, _GRAVE = 0.80, 0.95


@check(
    "mariadb.connections",
    N_("Database connections run out"),
    severity=Severity.WARNING,
    remedy=N_(
        "Raise max_connections (and the limit of open files with it), or lower max_pool_size and the workers "
        "of the services."
    ),
)
def connections(server: DatabaseServer) -> Iterable[Finding]:
    """80 % of max_connections in use (critical: 95 %); or the limit was reached since the server's start."""
    most, now = server.number("max_connections"), server.number("threads_connected")
    peak = server.number("max_used_connections")
    if most and now >= _WARN * most:
        yield found(
            "connections",
            N_("{now} of {most} database connections are in use."),
            evidence=[f"Threads_connected = {now:.0f}", f"max_connections = {most:.0f}"],
            severity=Severity.CRITICAL if now >= _GRAVE * most else None,
            now=round(now),
            most=round(most),
        )
    elif most and peak >= most:
        yield found(
            "connections",
            N_("All {most} database connections were in use at some time since the server's start."),
            evidence=[f"Max_used_connections = {peak:.0f}", f"max_connections = {most:.0f}"],
            most=round(most),
        )
