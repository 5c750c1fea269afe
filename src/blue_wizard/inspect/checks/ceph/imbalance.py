"""OSDs that hold much more than the others."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephOsdUse, CephTree
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["imbalance"]

_POINTS, _LEAST = 0.15, 0.20


@check(
    "ceph.imbalance",
    N_("OSD holds much more than the others"),
    severity=Severity.WARNING,
    remedy=N_(
        "Switch the balancer on: ceph balancer mode upmap; ceph balancer on. Check the CRUSH weight of "
        "osd.{osd} against its size."
    ),
    under=("ceph.pg-degraded",),
    profile=Profile.DAILY,
)
def imbalance(use: CephOsdUse, tree: CephTree) -> Iterable[Finding]:
    """15 points above the mean of its device class, once that is 20 % full: the fullest OSD decides how much a pool can take."""
    groups: dict[str, list[tuple[int, float]]] = {}
    for o in use.rows:
        node = tree.by_id.get(o.id)
        if o.up and o.reweight > 0 and o.weight > 0:
            groups.setdefault(node.device_class if node else "", []).append((o.id, o.used))
    for rows in groups.values():
        mean = sum(used for _id, used in rows) / len(rows)
        for id_, used in rows:
            if mean >= _LEAST and used - mean >= _POINTS:
                yield found(
                    f"osd.{id_}",
                    N_("osd.{osd} is {percent} full; its likes are {mean} on the average."),
                    host=tree.host_of(id_),
                    evidence=[f"ceph osd df: osd.{id_} {used * 100:.1f} %, mean {mean * 100:.1f} %"],
                    osd=id_,
                    percent=f"{round(used * 100)} %",
                    mean=f"{round(mean * 100)} %",
                )
