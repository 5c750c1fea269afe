"""Daemons that crashed, and nobody has looked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephCrashes
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["crashes"]


@check(
    "ceph.crashes",
    N_("Ceph daemon crashed"),
    severity=Severity.WARNING,
    remedy=N_("Read why: ceph crash ls-new; ceph crash info ID; then ceph crash archive-all."),
    profile=Profile.DAILY,
)
def crashes(rows: CephCrashes) -> Iterable[Finding]:
    """``ceph crash ls-new``, by daemon."""
    for entity, count in sorted(Counter(entity for _id, entity in rows.rows).items()):
        yield found(
            entity,
            N_("{daemon} has crashed {count} times."),
            evidence=[id_ for id_, e in rows.rows if e == entity][:5],
            daemon=entity,
            count=count,
        )
