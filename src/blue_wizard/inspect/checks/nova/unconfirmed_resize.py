"""Resizes and migrations that nobody confirmed."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Servers
from blue_wizard.inspect.model import Finding, Now, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["unconfirmed_resize"]

_DAY_S = 86400


@check(
    "nova.unconfirmed-resize",
    N_("Resize waits to be confirmed"),
    severity=Severity.WARNING,
    remedy=N_("Ask the owner, then: openstack server resize confirm {id} (or revert)."),
    profile=Profile.DAILY,
)
def unconfirmed_resize(servers: Servers, now: Now) -> Iterable[Finding]:
    """Until then the server holds its old place beside the new one: its disk, and its allocation twice."""
    for s in servers.rows:
        age = now.at - s.updated
        if s.status == "VERIFY_RESIZE" and s.updated and age > _DAY_S:
            yield found(
                s.id,
                N_("Server {name} has been waiting for its resize to be confirmed for {days} d."),
                host=s.host,
                evidence=[f"GET /servers/detail: status VERIFY_RESIZE, updated {age:.0f} s ago"],
                name=s.label,
                id=s.id,
                days=f"{age / _DAY_S:.1f}",
            )
