"""RBD disks of servers that are gone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from blue_wizard.facts.ceph_cluster import RbdImages
from blue_wizard.facts.compute import Servers
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["server_disk_of_nothing"]

_NAME = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})_(?:disk|swap)")


@check(
    "cross.server-disk-of-nothing",
    N_("RBD disk belongs to no server"),
    severity=Severity.WARNING,
    remedy=N_(
        "Make sure that Nova does not know server {server} and nothing has it open (rbd status "
        "{pool}/{image}); then rbd trash mv {pool}/{image}, which can be undone."
    ),
    reread=True,
)
def server_disk_of_nothing(images: RbdImages, servers: Servers) -> Iterable[Finding]:
    """ID_disk, ID_disk.config, ID_disk.swap ... and no server of that id. Silent while a cell does not answer."""
    if any(s.status == "UNKNOWN" for s in servers.rows):
        return
    for pool, names in sorted(images.pools.items()):
        for image in sorted(names):
            made = _NAME.match(image)
            if made and made[1] not in servers.by_id:
                yield found(
                    f"{pool}/{image}",
                    N_("{pool}/{image} belongs to no server."),
                    evidence=[f"rbd ls {pool}: {image}", "GET /servers/detail?all_tenants=1: not there"],
                    pool=pool,
                    image=image,
                    server=made[1],
                )
