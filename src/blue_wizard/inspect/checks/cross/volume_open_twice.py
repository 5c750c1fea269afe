"""Volumes that two guests have open."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Migrations
from blue_wizard.facts.domains import HypervisorDomain, HypervisorDomains
from blue_wizard.facts.volume import Volumes
from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["volume_open_twice"]


@check(
    "cross.volume-open-twice",
    N_("Two guests have one disk open"),
    severity=Severity.CRITICAL,
    remedy=N_("Stop one of them at once, the one that Cinder does not name; then check the filesystem on the disk."),
    under=("cross.server-twice",),
    reread=True,
)
def volume_open_twice(
    domains: Everywhere[HypervisorDomains], volumes: Volumes, migrations: Migrations
) -> Iterable[Finding]:
    """One RBD image or volume in two running domains of different uuid. Volumes for multiple attachment are meant for it."""
    shared = {v.image for v in volumes.rows if v.multiattach}
    at: dict[str, dict[str, tuple[str, HypervisorDomain]]] = {}
    for host, known in domains.at.items():
        for d in known.rows:
            for disk in d.disks if d.runs and d.uuid not in migrations.moving else ():
                image = disk.rpartition("/")[2]
                # Files are told apart by their whole path, and lie on one host; RBD images are everywhere.
                if not disk.startswith("/") and image not in shared:
                    at.setdefault(disk, {})[d.uuid] = (host, d)
    for disk, guests in sorted(at.items()):
        if len(guests) > 1:
            yield found(
                disk,
                N_("{disk} is open in {count} guests: {guests}"),
                evidence=[f"{host}: virsh dumpxml: {d.label}" for host, d in guests.values()],
                disk=disk,
                count=len(guests),
                guests=", ".join(f"{d.label} ({host})" for host, d in guests.values()),
            )
