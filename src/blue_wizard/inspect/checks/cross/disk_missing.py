"""Guests whose disk is not in Ceph."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import RbdImages
from blue_wizard.facts.domains import HypervisorDomains
from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["disk_missing"]


@check(
    "cross.disk-missing",
    N_("A guest's disk is not in Ceph"),
    severity=Severity.CRITICAL,
    remedy=N_(
        "Look into the trash first: rbd trash ls {pool}; rbd trash restore. Keep a running guest running: "
        "copy its data out from inside."
    ),
    reread=True,
)
def disk_missing(domains: Everywhere[HypervisorDomains], images: RbdImages) -> Iterable[Finding]:
    """An RBD image of a domain, in a pool that was listed, and not there: removed under it, or moved to the trash."""
    for host, known in sorted(domains.at.items()):
        for d in known.rows:
            for disk in d.disks:
                pool, _slash, image = disk.partition("/")
                if pool in images.pools and image and image not in images.pools[pool]:
                    yield found(
                        f"{d.uuid}:{disk}",
                        N_("Disk {disk} of guest {name} is not in Ceph."),
                        host=host,
                        evidence=[f"virsh dumpxml on {host}: {disk}", f"rbd ls {pool}: not there"],
                        disk=disk,
                        name=d.label,
                        pool=pool,
                    )
