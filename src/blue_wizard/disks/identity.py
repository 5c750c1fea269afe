"""Which disk an OSD is on, by two independent proofs: what the host says, and what the cluster says. Pure.

The host's proofs are mounts, partition labels, links and tags of volumes. The cluster's are the OSD's uuid in the OSD map,
found again on the disk, and the serial (newer releases) or the name (Jewel) that the daemon told when it last began; these two
do without the host's when they agree. None of them needs the disk to be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from blue_wizard.facts.blockdev import Disk, HostDisks, Part
from blue_wizard.facts.ceph import Cluster, Osd
from blue_wizard.text import _

__all__ = ["Identity", "Proof", "Source", "identify", "osd_of_part", "part_of_osd", "stray_text", "strays"]

_KOLLA = re.compile(r"^KOLLA_CEPH_DATA_(?:BS_)?(\d+)(_[JBDW])?$")
_CEPH_MOUNT = re.compile(r"/ceph-(\d+)$")


class Source(StrEnum):
    """Who says so."""

    HOST = "host"
    CLUSTER = "cluster"


@dataclass(frozen=True)
class Proof:
    """`says` is the key of the disk that it points to (see `Disk.key`), "" for one that is not there any more."""

    source: Source
    kind: str
    says: str
    detail: str


@dataclass(frozen=True)
class Identity:
    """What is known of an OSD's disk. `disk` is None when it is gone or could not be told; `problem` says why nothing may be done.

    `serial` and `by_path` are also known of a disk that is gone, where the daemon told them.
    """

    osd: int
    host: str
    disk: Disk | None
    proofs: tuple[Proof, ...] = ()
    gone: bool = False
    problem: str = ""
    serial: str = ""
    by_path: str = ""

    @property
    def proved(self) -> bool:
        """Both sides have said the same, and nobody else is on the disk."""
        return not self.problem


def osd_of_part(part: Part) -> tuple[int, str] | None:
    """The OSD that a Kolla label names, and the part of it: "" for data, "_J", "_B", "_D", "_W"; None for any other label."""
    found = _KOLLA.match(part.label)
    return (int(found[1]), found[2] or "") if found else None


def strays(host: HostDisks) -> list[Part]:
    """The partitions that Kolla's next deployment would make an OSD of, and wipe."""
    return [
        p
        for d in host.disks
        for p in d.parts
        if p.label.startswith("KOLLA_CEPH_") and "_BOOTSTRAP" in p.label and not osd_of_part(p)
    ]


def stray_text(host: str, part: Part) -> str:
    """What is wrong with one of them."""
    text = _("{device} on {host} still has the label {label}: the next deployment would wipe it.")
    return text.format(device=part.path, host=host, label=part.label)


def part_of_osd(host: HostDisks, osd: Osd) -> Part | None:
    """The data partition of an OSD by its label or its GUID (ceph-disk gives the partition the OSD's uuid)."""
    for disk in host.disks:
        for part in disk.parts:
            if osd_of_part(part) in {(osd.id, ""), (osd.id, "_B")} or (osd.uuid and part.uuid.lower() == osd.uuid):
                return part
    return None


def identify(cluster: Cluster, osd: Osd, host: HostDisks) -> Identity:
    """The disk of an OSD on its host, with the proofs, or the reason why it is not proved."""
    proofs = (*_of_host(osd, host), *_of_cluster(cluster, osd, host))
    serial, by_path = _told(osd)
    found = list(dict.fromkeys(p.says for p in proofs))
    disk = host.by_key(found[0]) or _by_path_or_name(host, found[0]) if len(found) == 1 and found[0] else None
    gone = bool(found) and found == [""]
    problem = _problem(cluster, osd, host, proofs, disk, gone)
    return Identity(
        osd.id,
        host.host,
        disk,
        proofs,
        gone,
        problem,
        (disk.serial if disk else "") or serial,
        (disk.by_path if disk else "") or by_path,
    )


def _by_path_or_name(host: HostDisks, key: str) -> Disk | None:
    return next((d for d in host.disks if key == d.key), None)


def _problem(
    cluster: Cluster, osd: Osd, host: HostDisks, proofs: tuple[Proof, ...], disk: Disk | None, gone: bool
) -> str:
    if "disks" in host.failed:
        return _("the disks of {host} could not be looked at: {why}").format(host=host.host, why=host.failed["disks"])
    told = "; ".join(f"{p.kind}: {p.detail}" for p in proofs)
    if len({p.says for p in proofs}) > 1:
        return _("its proofs disagree: {proofs}").format(proofs=told)
    missing = set(Source) - {p.source for p in proofs}
    if missing and not _written_and_told(proofs) and not (gone and _all_others_there(cluster, osd, host)):
        text = (
            _("only one side says which disk it is on: {proofs}") if proofs else _("nothing says which disk it is on")
        )
        return text.format(proofs=told)
    if disk is not None:
        if sum(d.key == disk.key for d in host.disks) > 1:
            return _("two disks of {host} are both {key}").format(host=host.host, key=disk.key)
        others = sorted(_users(disk, host, osd))
        if others:
            return _("{disk} is also used by {users}").format(disk=disk.path, users=", ".join(others))
    return ""


def _written_and_told(proofs: Iterable[Proof]) -> bool:
    """The OSD's uuid stands on the disk, and its daemon told the same disk when it last began: neither knows of the other.

    It is what is left of an OSD of ceph-disk whose file system can't be mounted any more.
    """
    kinds = {p.kind for p in proofs if p.says}
    return "uuid" in kinds and bool(kinds & {"serial", "name"})


def _of_host(osd: Osd, host: HostDisks) -> Iterator[Proof]:
    for mount in host.mounts:
        found = _CEPH_MOUNT.search(mount.where)
        if found and int(found[1]) == osd.id:
            text = _("{device} is mounted at {where}").format(device=mount.source, where=mount.where)
            yield Proof(Source.HOST, "mount", _key(host, mount.source), text)
    for disk in host.disks:
        for part in disk.parts:
            if osd_of_part(part) in {(osd.id, ""), (osd.id, "_B")}:
                text = _("{device} has the label {label}").format(device=part.path, label=part.label)
                yield Proof(Source.HOST, "label", disk.key, text)
    for folder in {osd.metadata.get("osd_data", ""), f"/var/lib/ceph/osd/ceph-{osd.id}"} - {""}:
        target = host.folders.get(f"{folder}/block")
        # A link by GUID says nothing that the GUID itself does not.
        if target and not target.startswith("/dev/disk/"):
            text = _("{link} leads to {device}").format(link=f"{folder}/block", device=target)
            yield Proof(Source.HOST, "link", _key(host, target), text)
    for lv in host.volumes:
        if lv.tags.get("ceph.osd_id") == str(osd.id) and lv.tags.get("ceph.type") in {"block", "data"}:
            for device in lv.devices or ("",):
                text = _("volume {lv} on {device} has the tag of osd.{id}").format(
                    lv=lv.path, device=device or "-", id=osd.id
                )
                yield Proof(Source.HOST, "lv", _key(host, device), text)


def _of_cluster(cluster: Cluster, osd: Osd, host: HostDisks) -> Iterator[Proof]:
    if osd.uuid and not osd.destroyed:
        for disk in host.disks:
            for part in disk.parts:
                if part.uuid.lower() == osd.uuid:
                    yield Proof(
                        Source.CLUSTER, "uuid", disk.key, _("{device} has the OSD's uuid").format(device=part.path)
                    )
        for lv in host.volumes:
            if lv.tags.get("ceph.osd_fsid") == osd.uuid and lv.tags.get("ceph.type") in {"block", "data"}:
                # A tag of another cluster would be the disk of somebody else.
                if lv.tags.get("ceph.cluster_fsid", cluster.fsid) != cluster.fsid:
                    continue
                for device in lv.devices or ("",):
                    yield Proof(
                        Source.CLUSTER,
                        "uuid",
                        _key(host, device),
                        _("volume {lv} has the OSD's uuid").format(lv=lv.path),
                    )
    name = _main_device(osd)
    serial, _path = _told(osd)
    if serial:
        there = next((d for d in host.disks if d.serial and d.serial == serial), None)
        detail = _("the daemon named serial {serial}").format(serial=serial)
        yield Proof(Source.CLUSTER, "serial", there.key if there else "", detail)
    elif name:
        yield Proof(
            Source.CLUSTER, "name", _key(host, name), _("the daemon named {device}").format(device=f"/dev/{name}")
        )


def _main_device(osd: Osd) -> str:
    """The kernel name of the data device as the daemon told it; "" when it did not, or told several."""
    for key in ("bluestore_bdev_devices", "backend_filestore_dev_node", "devices"):
        told = osd.metadata.get(key, "").removeprefix("/dev/")
        if told and told != "unknown":
            return told if "," not in told else ""
    return ""


def _told(osd: Osd) -> tuple[str, str]:
    """Serial and by-path of the data device in the daemon's metadata (Nautilus on): ``device_ids: sdb=VENDOR_MODEL_SERIAL``."""
    name = _main_device(osd)
    ids = _pairs(osd.metadata.get("device_ids", ""))
    paths = _pairs(osd.metadata.get("device_paths", ""))
    # get_device_id() joins vendor, model and serial by underscores; a serial has none (blkdev.cc).
    return ids.get(name, "").rsplit("_", 1)[-1], paths.get(name, "")


def _pairs(text: str) -> dict[str, str]:
    return dict(p.split("=", 1) for p in text.split(",") if "=" in p)


def _key(host: HostDisks, device: str) -> str:
    """The key of the disk of a device; "" when the host has none: it was pulled, or its letter belongs to nobody now."""
    found = host.disk_of(device)
    return found.key if found else ""


def _users(disk: Disk, host: HostDisks, osd: Osd) -> Iterator[str]:
    """Who else is on a disk: other OSDs, and mounts that are not the OSD's own."""
    mine = {disk.name, disk.path} | {p.path for p in disk.parts} | {f"/dev/{p.name}" for p in disk.parts}
    for part in disk.parts:
        label = osd_of_part(part)
        if label and label[0] != osd.id:
            yield f"osd.{label[0]} ({part.path})"
    for lv in host.volumes:
        number = lv.tags.get("ceph.osd_id")
        if number not in {None, str(osd.id)} and any(d in mine for d in lv.devices):
            yield f"osd.{number} ({lv.path})"
    for mount in host.mounts:
        if mount.source in mine and not mount.where.startswith("/var/lib/ceph/osd/"):
            yield mount.where
        other = _CEPH_MOUNT.search(mount.where)
        if mount.source in mine and other and int(other[1]) != osd.id:
            yield f"osd.{other[1]} ({mount.where})"


def _all_others_there(cluster: Cluster, osd: Osd, host: HostDisks) -> bool:
    """Every other OSD of the host is on a disk that is there: what is missing can then only be this one's."""
    others = [o for o in cluster.osds.values() if o.id != osd.id and o.hostname and o.hostname == osd.hostname]
    return bool(others) and all(_somewhere((*_of_host(o, host), *_of_cluster(cluster, o, host))) for o in others)


def _somewhere(proofs: Iterable[Proof]) -> bool:
    says = {p.says for p in proofs}
    return len(says) == 1 and "" not in says
