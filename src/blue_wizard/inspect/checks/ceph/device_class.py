"""OSDs whose kind of disk is not known."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import CephTree
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["device_class"]


@check(
    "ceph.device-class",
    N_("OSD has no device class"),
    severity=Severity.INFO,
    remedy=N_("Set it: ceph osd crush set-device-class ssd osd.{osd} (or hdd, nvme)."),
    profile=Profile.WEEKLY,
)
def device_class(tree: CephTree) -> Iterable[Finding]:
    """Rules for a class of disks do not use it."""
    for n in tree.nodes:
        if n.type == "osd" and n.up and not n.device_class and n.weight > 0:
            yield found(
                n.name,
                N_("{name} has no device class."),
                host=tree.host_of(n.id),
                evidence=["ceph osd tree"],
                name=n.name,
                osd=n.id,
            )
