"""Servers that HAProxy sends nobody to."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.inspect.fetch.balancing import HaproxyState
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["server_down"]

_OUT = ("DOWN", "MAINT", "DRAIN", "NOLB")


@check(
    "haproxy.server-down",
    N_("HAProxy has taken a server out"),
    severity=Severity.WARNING,
    remedy=N_("See whether {server} is in maintenance on purpose; else start its service: {proxy}."),
    under=(
        "host.unreachable",
        "haproxy.backend-down",
    ),
    reread=True,
)
def server_down(state: HaproxyState) -> Iterable[Finding]:
    """A backend that has none left is another check's; what is not checked has no state."""
    dead = {r.proxy for r in state.rows if r.name == "BACKEND" and r.status.startswith("DOWN")}
    for r in state.rows:
        if r.name not in {"FRONTEND", "BACKEND"} and r.proxy not in dead and r.status.startswith(_OUT):
            yield found(
                f"{r.proxy}/{r.name}",
                N_("Server {server} of {proxy} is {status}."),
                evidence=[f"show stat: {r.proxy}/{r.name} {r.status}"],
                server=r.name,
                proxy=r.proxy,
                status=r.status,
            )
