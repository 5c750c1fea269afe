"""Pools whose number of placement groups is odd."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephMap
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["pg_num"]


@check(
    "ceph.pg-num",
    N_("Pool's number of placement groups is no power of two"),
    severity=Severity.INFO,
    remedy=N_("Set it to the next power of two: ceph osd pool set {pool} pg_num {next}"),
    profile=Profile.WEEKLY,
)
def pg_num(osd_map: CephMap) -> Iterable[Finding]:
    """Some placement groups are then twice as big as others. While it is being changed, pgp_num differs: then nothing is said."""
    for p in osd_map.pools:
        if p.pg_num == p.pgp_num and p.pg_num & (p.pg_num - 1):
            yield found(
                p.name,
                N_("Pool {pool} has {count} placement groups."),
                evidence=[f"ceph osd dump: {p.name} pg_num {p.pg_num}"],
                pool=p.name,
                count=p.pg_num,
                next=1 << p.pg_num.bit_length(),
            )
