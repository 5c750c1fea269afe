"""The look at a cluster and at its storage hosts that everything else stands on, and what is wrong with which OSD. Reads only."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from blue_wizard.disks import safety
from blue_wizard.disks.identity import Identity, identify
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.facts import ceph as facts
from blue_wizard.facts.blockdev import HostDisks
from blue_wizard.facts.ceph import Cluster, Osd
from blue_wizard.reach import disks, smart
from blue_wizard.reach.ceph_cli import Ceph
from blue_wizard.reach.together import together
from blue_wizard.text import _

__all__ = ["Health", "Row", "health_of", "host_of", "look_at", "read_cluster", "reasons", "rows", "settled"]

_LOOKS, _LOOK_EVERY_S = 4, 4.0
Health = Mapping[tuple[str, str], tuple[str, ...]]


@dataclass(frozen=True)
class Row:
    """One OSD as `osd list` shows it. `reasons` is empty for one that is well; `failed`: it is down."""

    osd: Osd
    host: str
    reasons: tuple[str, ...]
    identity: Identity | None = None

    @property
    def failed(self) -> bool:
        """It is down."""
        return not self.osd.up


def read_cluster(cloud: str, only: Collection[str] | None = None) -> Cluster:
    """The cluster as it is now. Raises InputError without a way to it, StepFailed when it does not answer."""
    ceph = Ceph(cloud)
    wanted = list(facts.COMMANDS) if only is None else [k for k in facts.COMMANDS if k in only]
    calls: list[Callable[[], Any]] = [partial(ceph.json, *facts.COMMANDS[k]) for k in wanted]
    answers = dict(zip(wanted, together(calls), strict=True))
    try:
        return facts.parse_cluster(answers)
    except (KeyError, TypeError, ValueError) as e:
        raise StepFailed(
            _("An answer of Ceph has a form that this version does not know: {error}").format(error=repr(e))
        ) from e


def settled(cloud: str) -> Cluster:
    """The cluster as soon as every PG tells who serves it, but not later than after some looks."""
    cluster = read_cluster(cloud)
    for _look in range(_LOOKS):
        if not safety.unsettled(cluster):
            break
        time.sleep(_LOOK_EVERY_S)
        cluster = read_cluster(cloud)
    return cluster


def host_of(osd: Osd) -> str:
    """The host to log in to for an OSD: the one its daemon ran on. Raises InputError when it never ran anywhere."""
    if not osd.hostname:
        raise InputError(
            _("Nobody knows which host osd.{id} ran on: Ceph has no metadata of it.").format(id=osd.id),
            _("Look at: ceph osd metadata {id}").format(id=osd.id),
        )
    return osd.hostname


def reasons(
    cluster: Cluster, osd: Osd, host: HostDisks | None, identity: Identity | None, health: Collection[str] = ()
) -> tuple[str, ...]:
    """What is wrong with an OSD, in words; nothing for one that is well (pure). `health` is what its disk says of itself."""
    found = []
    if osd.destroyed:
        found.append(_("destroyed"))
    elif not osd.up:
        found.append(_("down"))
    if osd.id in cluster.slow:
        found.append(_("slow requests"))
    if identity is not None and identity.gone:
        found.append(_("its disk is gone"))
    disk = identity.disk if identity else None
    if host is not None and disk is not None:
        names = {disk.name, *(p.name for p in disk.parts)}
        found += [_("kernel: {line}").format(line=host.errors[n]) for n in sorted(names & host.errors.keys())]
    return (*found, *health)


def look_at(cluster: Cluster, hosts: Collection[str] | None = None) -> dict[str, HostDisks]:
    """The disks of the storage hosts (all, or those named)."""
    wanted: dict[str, set[str]] = {}
    for osd in cluster.osds.values():
        if osd.hostname and (hosts is None or osd.hostname in hosts):
            folder = osd.metadata.get("osd_data", "")
            usual = not folder or folder.startswith("/var/lib/ceph/osd/")
            wanted.setdefault(osd.hostname, set()).update(() if usual else (folder,))
    return disks.read(wanted)


def health_of(cluster: Cluster, hosts: Mapping[str, HostDisks]) -> Health:
    """What the disks of all OSDs say of themselves, by host and key; those that are proved to be an OSD's, and no other."""
    found = []
    for osd in cluster.osds.values():
        host = hosts.get(osd.hostname)
        identity = identify(cluster, osd, host) if host else None
        if identity is not None and identity.disk is not None and identity.proved:
            found.append((osd.hostname, identity.disk))
    return smart.read(found)


def rows(cluster: Cluster, hosts: Mapping[str, HostDisks], health: Health | None = None) -> list[Row]:
    """All OSDs, with their disks and what is wrong (pure). A host that was not looked at leaves its OSDs without a proof."""
    found = []
    for osd in sorted(cluster.osds.values(), key=lambda o: o.id):
        host = hosts.get(osd.hostname)
        identity = identify(cluster, osd, host) if host else None
        disk = identity.disk if identity else None
        told = (health or {}).get((osd.hostname, disk.key), ()) if disk else ()
        found.append(Row(osd, osd.hostname, reasons(cluster, osd, host, identity, told), identity))
    return found
