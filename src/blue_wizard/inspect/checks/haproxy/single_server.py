"""Backends that hang on one server."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.inspect.fetch.balancing import HaproxyState
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["single_server"]


@check(
    "haproxy.single-server",
    N_("Service has one server behind HAProxy"),
    severity=Severity.INFO,
    remedy=N_("Add a second one for {proxy}: HAProxy can not help when the only one fails."),
    profile=Profile.DAILY,
)
def single_server(state: HaproxyState) -> Iterable[Finding]:
    """Whatever its state."""
    for proxy in sorted({r.proxy for r in state.rows}):
        servers = state.servers(proxy)
        if len(servers) == 1:
            yield found(
                proxy,
                N_("{proxy} has one server: {server}."),
                evidence=[f"show stat: {proxy}/{servers[0].name} {servers[0].status}"],
                proxy=proxy,
                server=servers[0].name,
            )
