"""Backends that their driver reports as down."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.volume import VolumePools, VolumeServices
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["backend_down"]


@check(
    "cinder.backend-down",
    N_("Volume backend is down"),
    severity=Severity.CRITICAL,
    remedy=N_("Look at the log of cinder-volume on {where}: the storage does not answer it, or refuses its key."),
    under=("host.unreachable", "cinder.service-down", "ceph.mon-quorum"),
)
def backend_down(services: VolumeServices, pools: VolumePools) -> Iterable[Finding]:
    """No volume of it can be made, attached or deleted."""
    for s in services.rows:
        if s.up and s.enabled and s.backend_state == "down":
            yield found(
                s.host,
                N_("Backend {where} is down, though its service runs."),
                host=s.host.partition("@")[0],
                evidence=[f"GET /os-services: {s.host} backend_state down"],
                where=s.host,
            )
    told = {s.host for s in services.rows if s.backend_state == "down"}
    for p in pools.rows:
        backend = p.name.partition("#")[0]
        if p.state == "down" and backend not in told:
            yield found(
                backend,
                N_("Backend {where} is down, though its service runs."),
                host=backend.partition("@")[0],
                evidence=[f"GET /scheduler-stats/get_pools: {p.name} backend_state down"],
                where=backend,
            )
