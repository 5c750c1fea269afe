"""A service that nobody behind HAProxy does."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.inspect.fetch.balancing import HaproxyState
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["backend_down"]


@check(
    "haproxy.backend-down",
    N_("HAProxy has no server left for a service"),
    severity=Severity.CRITICAL,
    remedy=N_("Start the service on its controllers; why each was taken out stands in the log of HAProxy."),
    under=("host.unreachable",),
)
def backend_down(state: HaproxyState) -> Iterable[Finding]:
    """As this HAProxy sees it."""
    for r in state.rows:
        servers = state.servers(r.proxy)
        dead = r.status.startswith("DOWN") if r.name == "BACKEND" else False
        # A proxy of both kinds in one has no line of its own that says so.
        if dead and servers:
            yield found(
                r.proxy,
                N_("Backend {proxy} is {status}: none of its {count} servers works."),
                evidence=[f"show stat: {s.proxy}/{s.name} {s.status}" for s in servers],
                proxy=r.proxy,
                status=r.status,
                count=len(servers),
            )
