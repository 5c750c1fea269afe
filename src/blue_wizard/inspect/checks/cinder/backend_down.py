"""Backends that their driver reports as down."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.volume import VolumePools
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
def backend_down(pools: VolumePools) -> Iterable[Finding]:
    """No volume of it can be made, attached or deleted."""
    told = {p.name.partition("#")[0]: p.name for p in pools.rows if p.state == "down"}
    for backend, pool in sorted(told.items()):
        yield found(
            backend,
            N_("Backend {where} is down, though its service runs."),
            host=backend.partition("@")[0],
            evidence=[f"GET /scheduler-stats/get_pools: {pool} backend_state down"],
            where=backend,
        )
