"""Hosts whose being disabled has not come through to Placement."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import ComputeServices, Hypervisors
from blue_wizard.facts.identity import Providers
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["disabled_trait"]


@check(
    "placement.disabled-trait",
    N_("Placement and Nova disagree on whether a host is enabled"),
    severity=Severity.WARNING,
    remedy=N_("Restart nova-compute on {where}: it sets the trait COMPUTE_STATUS_DISABLED anew."),
    under=("nova.service-down", "host.unreachable"),
    reread=True,
)
def disabled_trait(providers: Providers, services: ComputeServices, hypervisors: Hypervisors) -> Iterable[Finding]:
    """An enabled host with the trait gets no server; a disabled one without it is offered, and refused later."""
    enabled = {s.host: s.enabled and not s.forced_down for s in services.rows if s.binary == "nova-compute"}
    host_of = {h.id: h.host for h in hypervisors.rows}
    for p in providers.rows:
        host = host_of.get(p.id, "")
        if host in enabled and enabled[host] == p.disabled:
            text = (
                N_("{where} is enabled in Nova, but has the trait COMPUTE_STATUS_DISABLED: it gets no server.")
                if p.disabled
                else N_("{where} is disabled in Nova, but has no trait COMPUTE_STATUS_DISABLED.")
            )
            yield found(
                p.id, text, host=host, evidence=[f"provider {p.name}, disabled trait: {p.disabled}"], where=host
            )
