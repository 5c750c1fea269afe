"""The disks of a host, what is on them and who holds them: commands that do not read the data disks, and their pure parsers.

`lsblk` answers from sysfs and udev's database; mounts come from ``/proc``, since a mount whose disk was pulled is nowhere else.
A failed disk may hang whoever reads it, so nothing here does; of journal partitions alone the first sector is read, by a command
of its own that gives up soon.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

__all__ = [
    "COMMANDS",
    "JOURNAL",
    "Disk",
    "HostDisks",
    "Lv",
    "Mount",
    "Part",
    "journal_owners",
    "kernel_errors",
    "links_below",
    "mapper_names",
    "parse_disks",
    "parse_links",
    "parse_lvs",
    "parse_mounts",
]

_COLUMNS = (
    "NAME,KNAME,PATH,TYPE,PKNAME,SIZE,SERIAL,WWN,ROTA,PARTLABEL,PARTUUID,PARTTYPE,"
    "FSTYPE,UUID,MOUNTPOINT,HCTL,TRAN,MODEL,LOG-SEC"
)
JOURNAL = "45b0969e-9b03-4f30-b4c6-b4b80ceff106"
"""The partition type of FileStore's journals."""
_HEADERS = (
    f"lsblk -nrpo NAME,PARTTYPE | grep -i {JOURNAL} | sort -u | while read -r p _type; do "
    'echo "$p $(timeout 5 dd if="$p" iflag=direct bs=4096 count=1 2>/dev/null | od -An -v -tx1 -N64 | tr -d " \\n")"; done'
)
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "disks": ("lsblk", "-J", "-b", "-o", _COLUMNS),
    "mounts": ("cat", "/proc/mounts"),
    "fstab": ("cat", "/etc/fstab"),
    "links": ("find", "/dev/disk/by-path", "-type", "l", "-printf", "%p %l\\n"),
    "lvs": ("lvs", "--reportformat", "json", "-o", "lv_name,vg_name,lv_path,lv_tags,devices,lv_size"),
    "kernel": ("dmesg",),
    "journals": ("sh", "-c", _HEADERS),
    "folders": ("find", "/var/lib/ceph/osd", "-maxdepth", "2", "-type", "l", "-printf", "%p %l\\n"),
}
"""What `HostDisks` is made of; each may fail by itself."""

_WHOLE = frozenset({"disk", "loop"})
# What the block layer, SCSI and libata say of a disk that does not do what it is told (Linux 3.10 to 6.x).
_ERRORS = re.compile(
    r"(?:I/O error,? (?:on )?dev(?:ice)? (?P<a>[a-z]+[a-z0-9-]*))"
    r"|(?:\[(?P<b>sd[a-z]+)\] .*(?:Sense Key : (?:Medium|Hardware) Error|rejecting I/O"
    r"|FAILED Result: .*(?:DID_BAD_TARGET|DID_NO_CONNECT)))"
    r"|(?:XFS \((?P<c>[a-z0-9-]+)\): .*(?:metadata I/O error|log I/O error|Shutting down|shutdown))"
)
_ATTACHED = re.compile(r"\[(sd[a-z]+)\] Attached SCSI (?:removable )?disk")
_OSD_VOLUME = re.compile(r"^osd-(block|data)-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$")
_PARTITION = re.compile(r"^(sd[a-z]+|vd[a-z]+|xvd[a-z]+|nvme\d+n\d+|loop\d+|mmcblk\d+)(?:p?\d+)?$")


@dataclass(frozen=True)
class Part:
    """A partition (or a device-mapper device) of a disk, by the kernel's name and what udev knows of it."""

    name: str
    path: str
    size: int
    label: str = ""
    uuid: str = ""
    kind: str = ""
    fstype: str = ""
    fs_uuid: str = ""
    mount: str = ""

    @property
    def number(self) -> int | None:
        """The number of the partition: 2 of sda2; None for what is no partition."""
        found = re.search(r"(\d+)$", self.name)
        return int(found[1]) if found else None


@dataclass(frozen=True)
class Disk:
    """A whole disk. `size` and `sector` are bytes, `rotates` is what the kernel says; `parts` are all devices on it."""

    name: str
    path: str
    size: int
    serial: str = ""
    wwn: str = ""
    rotates: bool = True
    sector: int = 512
    hctl: str = ""
    transport: str = ""
    model: str = ""
    fstype: str = ""
    by_path: str = ""
    parts: tuple[Part, ...] = ()

    @property
    def nameless(self) -> tuple[Part, ...]:
        """The partitions that udev tells nothing of.

        It reads a partition again when a program that had it open for writing closes it (udev(7), "watch"): of a disk that has died
        meanwhile it forgets the label, the type and the uuid of a journal, and keeps those of a mounted file system.
        """
        own = (p for p in self.parts if p.name.startswith(self.name) and p.number is not None)
        return tuple(p for p in own if not (p.label or p.uuid or p.kind or p.fstype))

    @property
    def blank(self) -> bool:
        """Nothing is on it, as far as udev has looked."""
        return not self.parts and not self.fstype

    @property
    def key(self) -> str:
        """What tells this disk from all others wherever it is put: its serial, else its WWN, else its place."""
        return self.serial or self.wwn or self.by_path or self.path


@dataclass(frozen=True)
class Mount:
    """A line of /proc/mounts."""

    source: str
    where: str
    fstype: str = ""


@dataclass(frozen=True)
class Lv:
    """A logical volume: `tags` as ceph-volume writes them (``ceph.osd_id`` ...), and the devices below it.

    A device that is gone is "[unknown]" to LVM.
    """

    name: str
    vg: str
    path: str
    tags: Mapping[str, str]
    devices: tuple[str, ...]


@dataclass(frozen=True)
class HostDisks:
    """All that is known of a host's disks. `failed` names the commands that did not answer, with the reason.

    `folders` are the links in the folders of its OSDs (``.../ceph-3/block``) with where they lead, `journals` the uuid of the OSD
    that each journal partition (by path) was made for.
    """

    host: str
    disks: tuple[Disk, ...] = ()
    mounts: tuple[Mount, ...] = ()
    fstab: str = ""
    lvs: tuple[Lv, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)
    journals: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    def disk_of(self, device: str) -> Disk | None:
        """The disk that a device (path or kernel name, of a disk, partition or volume on it) belongs to."""
        below = next((lv.devices for lv in self.volumes if device == lv.path), None)
        if below is not None:
            return self.disk_of(below[0]) if below else None
        name = device.removeprefix("/dev/")
        for disk in self.disks:
            names = {disk.name, disk.path.removeprefix("/dev/")}
            names |= {p.name for p in disk.parts} | {p.path.removeprefix("/dev/") for p in disk.parts}
            if name in names:
                return disk
        return None

    @property
    def volumes(self) -> tuple[Lv, ...]:
        """The volumes that LVM tells of, and those of ceph-volume on disks that LVM can't read any more.

        These are still in the device mapper, and ceph-volume names a volume by the uuid of its OSD (``osd-block-UUID``). Of a disk
        that was pulled only the link in the OSD's folder is left.
        """
        told = {(lv.vg, lv.name) for lv in self.lvs}
        found = list(self.lvs)
        for disk in self.disks:
            for part in disk.parts:
                names = mapper_names(part.path)
                match = _OSD_VOLUME.match(names[1]) if names else None
                if names and match and names not in told:
                    tags = {"ceph.type": match[1], "ceph.osd_fsid": match[2]}
                    found.append(Lv(names[1], names[0], f"/dev/{names[0]}/{names[1]}", tags, (disk.path,)))
        known = {lv.path for lv in found}
        for target in sorted(set(self.folders.values()) - known):
            words = target.removeprefix("/dev/").split("/")
            match = _OSD_VOLUME.match(words[1]) if len(words) == 2 else None
            if match:
                found.append(Lv(words[1], words[0], target, {"ceph.type": match[1], "ceph.osd_fsid": match[2]}, ()))
        return tuple(found)

    def by_key(self, key: str) -> Disk | None:
        """The disk with that serial, WWN or place."""
        return next((d for d in self.disks if key and key in {d.serial, d.wwn, d.by_path}), None)


def mapper_names(path: str) -> tuple[str, str] | None:
    """Group and volume of ``/dev/mapper/GROUP-VOLUME``, where dashes of their own are doubled; None for any other path."""
    found = re.match(r"^/dev/mapper/((?:[^-]|--)+)-((?:[^-]|--)+)$", path)
    return (found[1].replace("--", "-"), found[2].replace("--", "-")) if found else None


def parse_disks(text: str, links: Mapping[str, str]) -> tuple[Disk, ...]:
    """The disks in ``lsblk -J -b``; `links` are those of `parse_links`. Raises ValueError or KeyError for anything else."""
    return tuple(_disk(d, links) for d in json.loads(text)["blockdevices"] if d.get("type") in _WHOLE and _size(d) > 0)


def _size(d: Mapping[str, Any]) -> int:
    return int(d.get("size") or 0)


def _text(d: Mapping[str, Any], key: str) -> str:
    return str(d.get(key) or "").strip()


def _disk(d: Mapping[str, Any], links: Mapping[str, str]) -> Disk:
    name = _text(d, "kname") or _text(d, "name")
    return Disk(
        name=name,
        path=_text(d, "path") or f"/dev/{name}",
        size=_size(d),
        serial=_text(d, "serial"),
        wwn=_text(d, "wwn"),
        # Older versions write "1", newer ones true.
        rotates=_text(d, "rota") in {"1", "True"},
        sector=int(d.get("log-sec") or 512),
        hctl=_text(d, "hctl"),
        transport=_text(d, "tran"),
        model=_text(d, "model"),
        fstype=_text(d, "fstype"),
        by_path=links.get(name, ""),
        parts=tuple(_below(d)),
    )


def _below(d: Mapping[str, Any]) -> Iterable[Part]:
    for child in d.get("children", ()):
        name = _text(child, "kname") or _text(child, "name")
        yield Part(
            name=name,
            path=_text(child, "path") or f"/dev/{name}",
            size=_size(child),
            label=_text(child, "partlabel"),
            uuid=_text(child, "partuuid"),
            kind=_text(child, "parttype").lower(),
            fstype=_text(child, "fstype"),
            fs_uuid=_text(child, "uuid"),
            mount=_text(child, "mountpoint"),
        )
        yield from _below(child)


def parse_links(text: str) -> dict[str, str]:
    """Kernel name to the shortest ``/dev/disk/by-path/...`` of whole disks and partitions, of ``find -printf '%p %l'`` (pure)."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        path, _sep, target = line.rpartition(" ")
        name = target.rsplit("/", 1)[-1]
        # Some controllers give one disk two names; the shorter one is the older form, known to every release.
        if path and (name not in found or len(path) < len(found[name])):
            found[name] = path
    return found


def links_below(text: str) -> dict[str, str]:
    """Each link to where it leads, of ``find -printf '%p %l'``."""
    pairs = (line.rpartition(" ") for line in text.splitlines())
    return {path: target for path, _sep, target in pairs if path}


def journal_owners(text: str) -> dict[str, str]:
    """Path of a journal partition to the uuid of the OSD that wrote its header, of lines of a path and its first 64 bytes in hex.

    The header of FileStore (``os/filestore/FileJournal.h``, `header_t`): its version (4 bytes), its length (4), flags (8), and the
    uuid of the OSD (16). Version 1 had none.
    """
    found = {}
    for line in text.splitlines():
        path, _sep, digits = line.partition(" ")
        match = re.match(r"0[2-4]000000[0-9a-f]{24}([0-9a-f]{32})", digits)
        if match and int(match[1], 16):
            found[path] = str(UUID(match[1]))
    return found


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """The mounts of ``/proc/mounts`` that stand on a device. Octal escapes (``\\040``) are undone."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 3 and words[0].startswith("/dev/"):
            found.append(Mount(_plain(words[0]), _plain(words[1]), words[2]))
    return tuple(found)


def _plain(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), text)


def parse_lvs(text: str) -> tuple[Lv, ...]:
    """The volumes of ``lvs --reportformat json`` that carry tags of Ceph."""
    found = []
    for row in json.loads(text)["report"][0]["lv"]:
        tags = dict(t.split("=", 1) for t in str(row["lv_tags"]).split(",") if t.startswith("ceph.") and "=" in t)
        if tags:
            devices = tuple(re.sub(r"\(\d+\)$", "", x) for x in str(row["devices"]).split(",") if x)
            found.append(Lv(row["lv_name"], row["vg_name"], row["lv_path"], tags, devices))
    return tuple(found)


def kernel_errors(text: str) -> dict[str, str]:
    """Kernel name of each disk that the kernel log complains of, to the last complaint. Messages differ: see `_ERRORS`.

    What was said before a disk came does not count for it: the letter was another one's. Volumes are left out, since the disk
    below them is named, too, and their numbers are given away again without a word.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        came = _ATTACHED.search(line)
        if came:
            found.pop(came[1], None)
        match = _ERRORS.search(line)
        if match:
            name = next(g for g in match.groups() if g)
            whole = _PARTITION.match(name)
            if whole:
                found[whole[1]] = line.strip()[:200]
    return found
