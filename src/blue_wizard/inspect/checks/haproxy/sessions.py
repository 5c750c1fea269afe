"""Proxies that make clients wait."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.inspect.fetch.balancing import HaproxyState
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["sessions"]

_WARN = 0.80


@check(
    "haproxy.sessions",
    N_("HAProxy runs out of sessions"),
    severity=Severity.WARNING,
    remedy=N_(
        "Raise maxconn of {proxy}, and the limit of open files with it; for the database, its max_connections too."
    ),
    reread=True,
)
def sessions(state: HaproxyState) -> Iterable[Finding]:
    """Of frontends and backends."""
    for r in state.rows:
        now, most = r.sessions
        if r.name in {"FRONTEND", "BACKEND"} and ((most and now >= _WARN * most) or (r.name == "BACKEND" and r.queued)):
            yield found(
                f"{r.proxy} {r.name.lower()}",
                N_("{proxy} has {now} of {most} sessions, and {queued} wait."),
                evidence=[f"show stat: {r.proxy} {r.name} scur {now}, slim {most}, qcur {r.queued}"],
                proxy=r.proxy,
                now=now,
                most=most,
                queued=r.queued,
            )
