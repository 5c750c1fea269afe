"""Clusters that could not take the loss of a host."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephMap, CephOsdUse, CephTree
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["host_loss"]

_LEAST_HOSTS = 4


@check(
    "ceph.host-loss",
    N_("Ceph can't take the loss of its biggest host"),
    severity=Severity.WARNING,
    remedy=N_("Add a host or disks before one fails; until then set noout when a host is down for short."),
    under=("ceph.raw-use",),
    profile=Profile.DAILY,
)
def host_loss(use: CephOsdUse, osd_map: CephMap, tree: CephTree) -> Iterable[Finding]:
    """After the loss of the biggest host its data has to fit onto the others below the nearfull ratio: used / (total -
    biggest host). With
    three hosts or fewer (three copies) nothing is copied anew, so it is asked from four on."""
    sizes: dict[str, int] = {}
    used = 0.0
    for o in use.rows:
        host = tree.host_of(o.id)
        if o.weight > 0 and host:
            sizes[host] = sizes.get(host, 0) + o.size
            used += o.used * o.size
    if len(sizes) < _LEAST_HOSTS:
        return
    biggest = max(sizes, key=lambda h: sizes[h])
    after = used / (sum(sizes.values()) - sizes[biggest])
    if after > osd_map.nearfull:
        yield found(
            "host loss",
            N_("Without {where} the others would be {percent} full (nearfull {near})."),
            host=biggest,
            evidence=[f"used {used:.0f}, total {sum(sizes.values())}, {biggest} {sizes[biggest]}"],
            where=biggest,
            percent=f"{round(after * 100)} %",
            near=f"{round(osd_map.nearfull * 100)} %",
        )
