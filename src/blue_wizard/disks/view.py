"""All that a plan for one OSD is made from, and the disk's place in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from blue_wizard.disks.identity import Identity
from blue_wizard.facts.blockdev import HostDisks, Part
from blue_wizard.facts.ceph import Cluster, Osd
from blue_wizard.facts.osd_host import OsdHost

__all__ = ["View"]


@dataclass(frozen=True)
class View:
    """One OSD with its cluster, its host and its disk. `hosts` are the disks of all storage hosts; `rebuild`: no new disk comes.

    `going` are the keys of other disks that are replaced in the same job.
    """

    cloud: str
    cluster: Cluster
    osd: Osd
    host: str
    disks: HostDisks
    identity: Identity
    deployed: OsdHost
    hosts: Mapping[str, HostDisks]
    rebuild: bool = False
    going: tuple[str, ...] = ()

    @property
    def bucket(self) -> str:
        """The CRUSH bucket that holds the OSD: its host, or what else it stands below."""
        return self.osd.location.get("host") or next(iter(self.osd.location.values()), "")

    @property
    def store(self) -> str:
        """``bluestore`` or ``filestore``."""
        return self.osd.metadata.get("osd_objectstore", "")

    def forgotten_beside(self, data: Part | None) -> bool:
        """On the OSD's disk, which is dead, is a partition beside `data` that nobody can tell more of: its journal was there."""
        disk = self.identity.disk
        return disk is not None and data in disk.parts and bool(disk.nameless)
