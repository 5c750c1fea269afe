"""Public volume types that no backend serves."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.volume import VolumePools, VolumeTypes
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["type_without_backend"]


@check(
    "cinder.type-without-backend",
    N_("No backend serves the volume type"),
    severity=Severity.WARNING,
    remedy=N_("Correct volume_backend_name of type {name}, or enable that backend."),
    under=("cinder.service-down",),
)
def type_without_backend(types: VolumeTypes, pools: VolumePools) -> Iterable[Finding]:
    """Its volume_backend_name is that of no pool: every volume of it ends in error. The type __DEFAULT__ names none."""
    backends = {p.backend for p in pools.rows}
    for t in types.rows:
        if t.backend and t.public and t.backend not in backends:
            yield found(
                t.id,
                N_("Volume type {name} wants backend {backend}, which there is not."),
                evidence=[f"GET /scheduler-stats/get_pools: {', '.join(sorted(backends)) or 'none'}"],
                name=t.name,
                backend=t.backend,
            )
