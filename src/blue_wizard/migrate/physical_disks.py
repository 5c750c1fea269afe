"""By what name a plan knows a disk of a physical machine, and which disk has that name when the plan is run. Pure.

The kernel deals its names out anew at each start, in the order in which the disks answer: ``sda`` of a plan may be another
disk of its run, of the same size even. So a disk is known by what it carries itself (WWN, serial number, the other names that udev
makes of what it says); else by the place that it is plugged into; and by the kernel's name only where there is nothing else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum

from blue_wizard.errors import StepFailed
from blue_wizard.facts.linux_host import Block
from blue_wizard.text import _

__all__ = ["Grade", "KnownDisk", "find", "known", "told"]

_BY_ID, _BY_PATH = "/dev/disk/by-id/", "/dev/disk/by-path/"
# They name what is on a disk, which may be moved to another one.
_CONTENT = ("lvm-", "dm-", "md-")


class Grade(IntEnum):
    """What a name sticks to."""

    KERNEL = 0
    PLACE = 1
    DISK = 2


@dataclass(frozen=True)
class KnownDisk:
    """A disk, and what it is called; `names` are all that stick to it as well as the first one does.

    `path` is the file that leads to it, after a restart of the host, too, where there is one that does.
    """

    block: Block
    grade: Grade
    names: tuple[str, ...]
    path: str

    @property
    def id(self) -> str:
        """What plans call it."""
        return self.names[0]

    @property
    def title(self) -> str:
        """What people call it: with the kernel's name of it, as it is now."""
        return self.id if self.grade is Grade.KERNEL else f"{self.id} ({self.block.name})"


def told(disk: KnownDisk) -> str:
    """What the name of a disk sticks to, as a sentence of a plan."""
    if disk.grade is Grade.DISK:
        return _("{disk} is known by itself").format(disk=disk.title)
    if disk.grade is Grade.PLACE:
        return _("{disk} is known by its place, for it says nothing of itself").format(disk=disk.title)
    text = _("{disk} is only the kernel's name, which may be another disk's once the host was started anew")
    return text.format(disk=disk.title)


def known(disks: Sequence[Block]) -> tuple[KnownDisk, ...]:
    """The disks of a machine by their names. What several of them say of themselves is no name of any."""
    counts = Counter(word for d in disks for word in _said(d))
    return tuple(_known(d, {word for word in _said(d) if counts[word] > 1}) for d in disks)


def _known(disk: Block, shared: Collection[str]) -> KnownDisk:
    # Where two disks say the same, udev makes one link of it, which leads to either of them.
    by_id = [] if shared else [x for x in _links(disk, _BY_ID) if not x.removeprefix(_BY_ID).startswith(_CONTENT)]
    own = dict.fromkeys(
        [*(x for x in _said(disk) if x not in shared), *(_plain(x.removeprefix(_BY_ID)) for x in by_id)]
    )
    path = [*by_id, *_links(disk, _BY_PATH), f"/dev/{disk.name}"][0]
    if own:
        return KnownDisk(disk, Grade.DISK, tuple(own), path)
    if places := _places(disk):
        return KnownDisk(disk, Grade.PLACE, places, path)
    return KnownDisk(disk, Grade.KERNEL, (disk.name,), path)


def _said(disk: Block) -> list[str]:
    """The names of what the disk says of itself, the best one first. Some say nothing but zeroes."""
    words = {"wwn": disk.known.wwn, "serial": disk.known.serial}
    return [f"{kind}-{_plain(word)}" for kind, word in words.items() if word.removeprefix("0x").strip("0")]


def _places(disk: Block) -> tuple[str, ...]:
    return tuple(f"path-{_plain(x.removeprefix(_BY_PATH))}" for x in _links(disk, _BY_PATH))


def _links(disk: Block, folder: str) -> list[str]:
    """Its links in a folder; of several for one thing the shorter one is the older form, which every release makes."""
    return sorted((x for x in disk.known.links if x.startswith(folder)), key=lambda x: (len(x), x))


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.:@+-]", "_", text)


def find(disks: Sequence[Block], machine: str, wanted: str) -> KnownDisk:
    """The disk that a plan calls `wanted`.

    Raises StepFailed when there is none; and when the name is just a place's or the kernel's, while the disk that has it now
    carries a better one: it was made for another disk, or by a version that knew the kernel's names alone.
    """
    found = known(disks)
    for disk in found:
        if wanted in disk.names:
            return disk
    again = _("Plan again: blue-wizard migrate plan")
    there = next((d for d in found if wanted in (d.block.name, *_places(d.block))), None)
    if there is not None:
        text = _("{name}: the plan knows a disk only as {disk}, which may be another one by now: {id} is called so.")
        raise StepFailed(text.format(name=machine, disk=wanted, id=there.id), again)
    now = ", ".join(d.title for d in found) or "-"
    text = _("{name} has no disk {disk} any more; what it has is {disks}.")
    raise StepFailed(text.format(name=machine, disk=wanted, disks=now), again)
