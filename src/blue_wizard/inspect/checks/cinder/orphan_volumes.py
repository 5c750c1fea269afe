"""Volumes whose backend is not there any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blue_wizard.facts.volume import VolumePools, Volumes
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["orphan_volumes"]


@check(
    "cinder.orphan-volumes",
    N_("Volumes belong to a backend that is gone"),
    severity=Severity.WARNING,
    remedy=N_(
        "Bring the backend back, or: cinder-manage volume update_host --currenthost {where} --newhost HOST@BACKEND#POOL"
    ),
    under=("cinder.service-down", "cinder.backend-down"),
)
def orphan_volumes(volumes: Volumes, pools: VolumePools) -> Iterable[Finding]:
    """They can be used where they are attached, but neither be deleted, nor extended, nor attached anew."""
    live = {p.name for p in pools.rows} | {p.name.partition("#")[0] for p in pools.rows}
    lost = Counter(
        v.host for v in volumes.rows if v.host and v.host not in live and v.host.partition("#")[0] not in live
    )
    for host, count in sorted(lost.items()):
        yield found(
            host,
            N_("{count} volumes belong to {where}, which reports no pool."),
            host=host.partition("@")[0],
            evidence=[v.label for v in volumes.rows if v.host == host][:10],
            where=host,
            count=count,
        )
