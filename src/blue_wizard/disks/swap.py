"""The change of the disk by a person, watched: the right one is out, the new one is in, and it is what it has to be."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from blue_wizard.disks.world import World
from blue_wizard.errors import StepFailed
from blue_wizard.facts.blockdev import Disk, HostDisks
from blue_wizard.jobs.actions import Action, Args, Context, action
from blue_wizard.jobs.model import Json, Outcome
from blue_wizard.reach import ssh
from blue_wizard.reach.faults import NotReached
from blue_wizard.text import _
from blue_wizard.units import bytes_text

__all__ = ["SCAN", "Swap", "Wishes", "in_use", "judge"]

SCAN = [
    "sh",
    "-c",
    'for h in /sys/class/scsi_host/host*/scan; do [ -w "$h" ] && echo "- - -" > "$h"; done; udevadm settle -t 10; true',
]
"""Lets every SCSI host look for disks that came or were only hidden."""
_EVERY_S = 3.0
_WIPE = "wipe "
# Makers' sizes of one class differ by less; CRUSH weights would not.
_SMALLER = 0.995


@dataclass(frozen=True)
class Wishes:
    """What the new disk has to be: at least `size` bytes, of the same kind, and with the same sectors."""

    size: int
    rotates: bool
    sector: int


def judge(
    old: str,
    known: Mapping[str, str],
    now: Sequence[Disk],
    wishes: Wishes,
    dirty: Collection[str] = (),
    word: str = "",
    *,
    going: Collection[str] = (),
    used: Collection[str] = (),
) -> tuple[Disk | None, str]:
    """The new disk, or None and what is wrong, in words (pure).

    `old` is the key of the failed disk, `known` the keys of all disks before the swap with their places; `dirty` are keys of disks
    that a look at their content found something on. `word` is what the person answered: ``wipe KEY`` allows such a disk. `going`
    are keys of disks that are replaced in the same job, `used` those that an OSD runs on by now: that one's swap came before.
    """
    keys = {d.key for d in now}
    missing = sorted(k for k in known if k not in keys and k != old and k not in going)
    if missing:
        told = ", ".join(f"{k} ({known[k]})" for k in missing)
        return None, _("WRONG DISK PULLED: put {disks} back into its place").format(disks=told)
    if old in keys:
        return None, _("the failed disk {key} is still in").format(key=old)
    new = [d for d in now if d.key not in known and d.key not in used]
    if not new:
        return None, _("no new disk is there yet")
    if len(new) > 1:
        told = ", ".join(f"{d.key} ({d.path})" for d in new)
        return None, _("several new disks are there, take out all but one: {disks}").format(disks=told)
    disk = new[0]
    return (disk, "") if not (why := _unfit(disk, wishes, dirty, word)) else (None, why)


def _unfit(disk: Disk, wishes: Wishes, dirty: Collection[str], word: str) -> str:
    if disk.size < wishes.size * _SMALLER:
        text = _("{disk} is too small: {size} instead of {wanted}")
        return text.format(disk=disk.key, size=bytes_text(disk.size), wanted=bytes_text(wishes.size))
    if disk.rotates != wishes.rotates:
        kinds = {True: _("a hard disk"), False: _("an SSD")}
        return _("{disk} is {kind} instead of {wanted}").format(
            disk=disk.key, kind=kinds[disk.rotates], wanted=kinds[wishes.rotates]
        )
    if disk.sector != wishes.sector:
        text = _("{disk} has sectors of {size} bytes instead of {wanted}")
        return text.format(disk=disk.key, size=disk.sector, wanted=wishes.sector)
    allowed = word.removeprefix(_WIPE).strip() if word.startswith(_WIPE) else ""
    if (not disk.blank or disk.key in dirty) and allowed != disk.key:
        return _("{disk} is not blank: wipe it by hand if nobody needs what is on it").format(disk=disk.key)
    return ""


@action("osd.swap")
class Swap(Action):
    """args: cloud, host, osd, disk (key of the failed one), place, known, wishes. The outcome names the new disk.

    Whatever is wrong is told, and waited for: nothing is undone because somebody took the wrong disk at first.
    """

    def probe(self, ctx: Context, args: Args) -> Outcome | None:
        """The disk that was found good before is still there."""
        found = ctx.noted("found")
        if found is None:
            return None
        try:
            there = any(d.key == found["disk"] for d in World(ctx, args).disks().disks)
        except (NotReached, StepFailed):
            return None
        return dict(found) if there else None

    def do(self, ctx: Context, args: Args) -> Outcome:
        """Look until the right disk is out and a good one is in."""
        world = World(ctx, args)
        wishes = Wishes(**args["wishes"])
        said = ""
        while True:
            disk, dirty, wrong = self._look(world, args, wishes, ctx.answer() or "")
            if disk is not None:
                found: dict[str, Json] = {
                    "disk": disk.key,
                    "serial": disk.serial,
                    "wwn": disk.wwn,
                    "by_path": disk.by_path,
                    "size": disk.size,
                    "same_place": disk.by_path == args["place"],
                    "wipe": not disk.blank or disk.key in dirty,
                    "pulled": args["disk"],
                }
                ctx.note("found", found)
                return found
            if wrong != said:
                ctx.event("swap", wrong)
                said = wrong
            ctx.progress(0, 1, unit="", note=wrong)
            _rest(ctx)

    def _look(self, world: World, args: Args, wishes: Wishes, word: str) -> tuple[Disk | None, set[str], str]:
        """The new disk, the keys of those that hold something, and what is wrong. A host that is away is waited for, too."""
        try:
            _scan(world.host)
            host = world.disks()
            disks = [d for d in host.disks if d.size]
            used = in_use(host, {str(o.get("uuid", "")) for o in world.ceph.json("osd", "dump")["osds"]})
            dirty = {d.key for d in disks if d.key not in {*args["known"], *used} and _dirty(world.host, d)}
        except (NotReached, StepFailed) as e:
            return None, set(), e.message
        going = args.get("going") or ()
        disk, wrong = judge(args["disk"], args["known"], disks, wishes, dirty, word, going=going, used=used)
        return disk, dirty, wrong

    def undo(self, ctx: Context, args: Args, outcome: Outcome | None) -> None:
        """The failed disk has to be back in for what comes next."""
        world = World(ctx, args)
        _scan(world.host)
        if args["gone"] or any(d.key == args["disk"] for d in world.disks().disks):
            return
        raise StepFailed(
            _("Disk {key} was pulled, and can't be put back from here.").format(key=args["disk"]),
            _("Put it back into {place}, then: blue-wizard job rollback {job}").format(
                place=args["place"] or "-", job=ctx.job_id
            ),
        )


def in_use(host: HostDisks, uuids: Collection[str]) -> set[str]:
    """The keys of disks that are mounted, or that hold a volume of an OSD of the map (pure)."""
    sources = {m.source for m in host.mounts}
    found = {d.key for d in host.disks if sources & {d.path, *(p.path for p in d.parts)}}
    for lv in host.volumes:
        disks = [host.disk_of(device) for device in lv.devices if lv.tags.get("ceph.osd_fsid") in uuids]
        found |= {d.key for d in disks if d is not None}
    return found


def _scan(host: str) -> None:
    ssh.host(host).run(SCAN, timeout_s=60, root=True)


def _dirty(host: str, disk: Disk) -> bool:
    """Whether a look at the content of a (new, healthy) disk finds a signature, or can't be had."""
    done = ssh.host(host).run(["wipefs", "--no-act", "--parsable", disk.path], timeout_s=30, root=True)
    lines = [line for line in done.stdout.splitlines() if line and not line.startswith("#")]
    return done.status != 0 or bool(lines)


def _rest(ctx: Context) -> None:
    end = time.monotonic() + _EVERY_S
    while time.monotonic() < end:
        ctx.pause_point()
        time.sleep(0.5)
