"""What Cinder's quotas count: one call for each project that has volumes, so for deep profiles only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from blue_wizard.inspect.facts import provides
from blue_wizard.inspect.site import Site
from blue_wizard.reach.together import Late, together

__all__ = ["VolumeQuotas"]

_ABREAST = 4


@dataclass(frozen=True)
class VolumeQuotas:
    """How many volumes the quota of each project counts."""

    volumes: Mapping[str, int] = field(default_factory=dict)


@provides
def volume_quotas(site: Site) -> VolumeQuotas:
    """Few at once."""
    rows = site.list("block_storage", "/volumes/detail?all_tenants=1&limit=1000", "volumes")
    projects = sorted({r["os-vol-tenant-attr:tenant_id"] for r in rows if r.get("os-vol-tenant-attr:tenant_id")})

    def one(project: str) -> int:
        found = site.get("block_storage", f"/os-quota-sets/{project}?usage=true")["quota_set"]["volumes"]
        return int(found["in_use"])

    counted: dict[str, int] = {}
    for at in range(0, len(projects), _ABREAST):
        some = projects[at : at + _ABREAST]
        answers = together([partial(one, project) for project in some])
        counted |= {p: a for p, a in zip(some, answers, strict=True) if not isinstance(a, Late)}
    return VolumeQuotas(counted)
