"""A disk that holds journals or DBs of several OSDs: when it dies they all do, and they are made anew in one job. Pure.

The new disk gets the same slots (partitions with the same GUIDs and names, volumes of the same names and sizes) before the first
OSD is made anew on its own disk, so the plans of the OSDs stay what was approved.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from blue_wizard.disks import slot
from blue_wizard.disks.identity import Identity
from blue_wizard.disks.layouts import base as b
from blue_wizard.disks.view import View
from blue_wizard.errors import Refused
from blue_wizard.facts.blockdev import JOURNAL, Disk, HostDisks, Part, mapper_names
from blue_wizard.jobs.model import Risk, Step
from blue_wizard.text import _

__all__ = ["Member", "find", "foreign", "frame", "holds"]

_MIB = 1 << 20
_FIRST = ("stop", "out", "safe")


@dataclass(frozen=True)
class Member:
    """An OSD that has something on the disk: its view, its parts there, and its steps as its layout makes them."""

    view: View
    parts: tuple[Part, ...]
    steps: tuple[Step, ...]


def find(hosts: Iterable[HostDisks], key: str) -> tuple[HostDisks, Disk]:
    """The disk with that serial, WWN or by-path, and its host. Raises Refused unless there is exactly one."""
    found = [(h, d) for h in hosts for d in h.disks if key in {d.serial, d.wwn, d.by_path}]
    if len(found) != 1:
        raise Refused(
            _("{count} disks of the storage hosts are {key}.").format(count=len(found), key=key),
            _("One that is gone tells nothing of its slots: rebuild its OSDs one by one with a slot of their own."),
        )
    return found[0]


def holds(disk: Disk, parts: Iterable[Part]) -> tuple[Part, ...]:
    """Those of an OSD's parts elsewhere that are on the disk."""
    names = {p.path for p in disk.parts}
    return tuple(p for p in parts if p.path in names)


def foreign(disk: Disk, host: HostDisks, members: Sequence[Member]) -> str:
    """What else is on the disk, in words; "" when there is nothing: it would be lost with the swap."""
    mine = {p.path for m in members for p in m.parts}
    mounts = {m.source: m.where for m in host.mounts}
    found = [f"{p.path} ({mounts[p.path]})" for p in disk.parts if p.path in mounts]
    held = {lv.tags["ceph.osd_id"]: lv for lv in host.volumes if "ceph.osd_id" in lv.tags}
    ids = {str(m.view.osd.id) for m in members}
    for number, lv in sorted(held.items()):
        if number not in ids and any(host.disk_of(d) == disk for d in lv.devices):
            found.append(f"{lv.path} (osd.{number})")
    for p in disk.parts:
        # A journal that nobody is known to own may be that of an OSD whose disk can't be read just now.
        content = p.kind == JOURNAL or p.label.startswith("KOLLA_CEPH_") or p.fstype not in {"", "LVM2_member"}
        if p.path not in mine and p.path not in mounts and (content or mapper_names(p.path)):
            found.append(f"{p.path} ({p.label or p.fstype or '-'})")
    groups = {names[0] for m in members for p in m.parts if (names := mapper_names(p.path))}
    if len(groups) > 1 or (groups and any(not mapper_names(p.path) for m in members for p in m.parts)):
        found.append(_("volumes of several groups, or volumes and partitions, which this version does not make anew"))
    return ", ".join(dict.fromkeys(found))


def frame(disk: Disk, members: Sequence[Member]) -> tuple[Step, ...]:
    """The steps before the OSDs are made anew: empty them all, swap the disk, and make the same slots on the new one."""
    view = members[0].view
    here = Identity(view.osd.id, view.host, disk, serial=disk.serial, by_path=disk.by_path)
    swapped = replace(view, identity=here, rebuild=False)
    early = {
        (m.view.osd.id, s.id): replace(s, id=f"{s.id}-{m.view.osd.id}")
        for m in members
        for s in m.steps
        if s.id in _FIRST
    }
    up = [m.view.osd.id for m in members if m.view.osd.up]
    down = [m.view.osd.id for m in members if not m.view.osd.up]
    every = [m.view.osd.id for m in members]
    # Those that serve go on serving until nothing needs them.
    order = [
        *((n, "stop") for n in down),
        *((n, "out") for n in every),
        *((n, "safe") for n in every),
        *((n, "stop") for n in up),
    ]
    volumes = [(p, names) for m in members for p in m.parts if (names := mapper_names(p.path))]
    return (
        *(early[o] for o in order),
        *(_let_go(swapped, names) for _p, names in volumes),
        *slot.detach(swapped),
        *slot.swap(swapped),
        *(_volumes(swapped, volumes) if volumes else _partitions(swapped, [p for m in members for p in m.parts])),
    )


def _let_go(view: View, names: tuple[str, str]) -> Step:
    mapped = "-".join(n.replace("-", "--") for n in names)
    (step,) = slot.release(view, *names)
    return replace(step, id=f"release-{mapped}")


def _partitions(view: View, parts: Sequence[Part]) -> tuple[Step, ...]:
    commands = [b.host("sgdisk", "--zap-all", "<new-disk>", ok="any", why=_("its content was judged at the swap"))]
    for p in sorted(parts, key=lambda p: p.number or 0):
        number = p.number
        words = [f"--new={number}:0:+{-(-p.size // _MIB)}M", f"--partition-guid={number}:{p.uuid}"]
        words += [f"--typecode={number}:{p.kind}", f"--change-name={number}:{p.label}"]
        commands.append(b.host("sgdisk", *words, "<new-disk>", why=_("the same number, GUID, type and name")))
    commands.append(b.host("partprobe", "<new-disk>", ok="any"))
    commands.append(b.host("udevadm", "settle", "-t", "20", ok="any"))
    until = [b.run_check("sh", "-c", b.HAS_GUID, "sh", "<new-disk>", p.uuid, status=[0]) for p in parts]
    return (_slots(view, commands, until),)


def _volumes(view: View, volumes: Sequence[tuple[Part, tuple[str, str]]]) -> tuple[Step, ...]:
    group = volumes[0][1][0]
    commands = [b.host("wipefs", "-a", "<new-disk>", why=_("its content was judged at the swap"))]
    # Of the old group only the kernel may still know something; LVM can't read it any more.
    commands.append(b.host("vgcreate", "-y", group, "<new-disk>", timeout_s=120))
    commands += [
        b.host(
            "lvcreate",
            "-y",
            "-W",
            "y",
            "-n",
            lv,
            "-L",
            f"{p.size // _MIB}m",
            vg,
            timeout_s=120,
            why=_("the same name and size"),
        )
        for p, (vg, lv) in volumes
    ]
    until = [b.run_check("lvs", "--noheadings", "-o", "lv_name", f"{vg}/{lv}", status=[0]) for _p, (vg, lv) in volumes]
    return (_slots(view, commands, until),)


def _slots(view: View, commands: Sequence[b.Command], until: Sequence[b.Condition]) -> Step:
    return b.change(
        view,
        "slots",
        _("make the slots of all its OSDs on the new disk"),
        _("each OSD is then made anew on its own disk, with the slot that it had"),
        commands,
        until,
        risk=Risk.HIGH,
        seconds=10,
        lost=_("the old journals or DBs are gone with their disk"),
    )
