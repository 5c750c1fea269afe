"""What on a guest's disks will keep it from starting, or from being converted. One rule is one small function.

A rule registers itself with `@warning` (told, whatever is done with the machine) or `@unconvertible` (it moves as it is, but is not
converted), and yields one sentence for each thing that it finds, with what to do. What was not seen is no finding. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from blue_wizard.facts import partitions
from blue_wizard.facts.partitions import Fault
from blue_wizard.facts.signatures import ENCRYPTED
from blue_wizard.migrate.guest_disks import Seen, SeenDisk, Volume
from blue_wizard.migrate.machine import Firmware
from blue_wizard.migrate.rules import Rules
from blue_wizard.text import _

__all__ = ["unconvertible", "warning"]

warning = Rules[Seen]()
"""Rules whose findings are told."""
unconvertible = Rules[Seen]()
"""Rules whose findings keep virt-v2v from the machine: it would fail when the disks are copied and the source is off."""

_GIB = 1 << 30
# An open volume that is smaller holds no system beside an encrypted one: it is /boot, or Windows' recovery.
_ROOT_AT_LEAST = 4 * _GIB
_ROOTS = {"ntfs", "ext", "xfs", "btrfs", "lvm", "zfs", "refs"}
# virt-v2v(1), "Free space in the guest": of any file system that it mounts.
_FREE_AT_LEAST = 10 << 20


def _where(seen: SeenDisk, volume: Volume) -> str:
    if not volume.number:
        return seen.disk.id
    return _("{disk}, partition {number}").format(disk=seen.disk.id, number=volume.number)


def _ldm(seen: SeenDisk) -> bool:
    return any(p.kind in partitions.LDM for p in seen.table.partitions)


def _all(seen: Seen) -> Iterator[tuple[str, Volume]]:
    for disk in seen.disks:
        for volume in disk.volumes:
            yield _where(disk, volume), volume


@unconvertible
def asleep(seen: Seen) -> Iterator[str]:
    """libguestfs mounts a hibernated volume read-only, so nothing can be put into it."""
    for where, volume in _all(seen):
        if volume.windows and volume.windows.hibernated:
            yield _(
                "{where}: its Windows is hibernated, as Fast Startup leaves it after each shutdown: start it, run "
                "powercfg /h off in it, and shut it down fully (shutdown /s /t 0)"
            ).format(where=where)


@unconvertible
def dynamic(seen: Seen) -> Iterator[str]:
    """virt-v2v does not put a system on dynamic disks in order."""
    if seen.boot and _ldm(seen.boot):
        yield _(
            "{disk} is a dynamic disk (LDM), and its Windows is not converted: make it a basic disk, or install the "
            "virtio drivers in it and plan with --convert never"
        ).format(disk=seen.boot.disk.id)


@unconvertible
def locked(seen: Seen) -> Iterator[str]:
    """Nobody gives virt-v2v the key, and it finds no system."""
    boot = seen.boot
    if boot is None or any(v.holds in _ROOTS and v.size >= _ROOT_AT_LEAST for v in boot.volumes):
        return
    for volume in boot.volumes:
        if volume.holds == "bitlocker":
            yield _(
                "{where} is encrypted with BitLocker: decrypt it (manage-bde -off C:), or install the virtio drivers in it "
                "and plan with --convert never"
            ).format(where=_where(boot, volume))
        elif volume.holds in ENCRYPTED:
            yield _(
                "{where} is encrypted with LUKS: put the virtio drivers into its initial ramdisk yourself, and plan with "
                "--convert never"
            ).format(where=_where(boot, volume))


@unconvertible
def full(seen: Seen) -> Iterator[str]:
    """virt-v2v refuses before it writes, but long after the plan."""
    boot = seen.boot
    for volume in boot.volumes if boot else ():
        if volume.free is not None and volume.free < _FREE_AT_LEAST:
            yield _(
                "{where} has {free:.1f} MiB free, virt-v2v needs 10 MiB in each file system: make room in it"
            ).format(where=_where(boot, volume) if boot else "", free=volume.free / (1 << 20))


@warning
def sleeping(seen: Seen) -> Iterator[str]:
    """Memory that belongs to other hardware is woken on the target."""
    for where, volume in _all(seen):
        if volume.windows and volume.windows.hibernated:
            yield _(
                "{where}: its Windows is hibernated (Fast Startup does that), and would wake on other hardware: before the "
                "last shutdown run powercfg /h off in it"
            ).format(where=where)
        if volume.holds == "suspended":
            yield _(
                "{where}: its Linux is hibernated, and would wake on other hardware: start it, and shut it down"
            ).format(where=where)


@warning
def unclean(seen: Seen) -> Iterator[str]:
    """Windows itself asks for it, at the next start or before somebody else writes."""
    for where, volume in _all(seen):
        if volume.windows and volume.windows.dirty:
            yield _("{where}: its NTFS is marked as not in order: run chkdsk /f on it, and shut it down").format(
                where=where
            )


@warning
def encrypted(seen: Seen) -> Iterator[str]:
    """It moves, and asks for its key where nobody expects the question."""
    for where, volume in _all(seen):
        if volume.holds == "bitlocker":
            yield _(
                "{where} is encrypted with BitLocker and moves as it is: have its recovery key at hand, or suspend it before "
                "the shutdown (manage-bde -protectors -disable C: -RebootCount 0)"
            ).format(where=where)
        elif volume.holds in ENCRYPTED:
            yield _(
                "{where} is encrypted with LUKS and moves as it is: somebody has to give its passphrase on the server's console"
            ).format(where=where)


@warning
def together(seen: Seen) -> Iterator[str]:
    """Half of a group of disks is nothing."""
    for disk in seen.disks:
        if _ldm(disk):
            yield _("{disk} is a dynamic disk (LDM): all disks of its group have to move together").format(
                disk=disk.disk.id
            )
        if any(p.kind == partitions.STORAGE_SPACES for p in disk.table.partitions):
            yield _("{disk} belongs to Storage Spaces: all disks of its pool have to move together").format(
                disk=disk.disk.id
            )


@warning
def firmware(seen: Seen) -> Iterator[str]:
    """What starts the guest has to find its loader where it looks for it."""
    boot = seen.boot
    if boot is None or not boot.table.partitions:
        return
    everything = [p for d in seen.disks for p in d.table.partitions]
    kinds = {p.kind for p in everything}
    efi = bool(kinds & partitions.EFI)
    if seen.machine.firmware is Firmware.UEFI and seen.whole and not efi:
        yield _(
            "it is to start by UEFI, but none of its disks has an EFI system partition: if it does not start, say "
            "firmware: bios in the wave"
        )
    if seen.machine.firmware is Firmware.BIOS and efi and not _for_bios(boot):
        yield _(
            "it is to start by BIOS, but {disk} is made for UEFI alone (an EFI system partition, and nothing for a BIOS): "
            "say firmware: uefi in the wave"
        ).format(disk=boot.disk.id)


def _for_bios(boot: SeenDisk) -> bool:
    parts = boot.table.partitions
    if boot.table.scheme == "mbr":
        # Many loaders lie in the gap behind an MBR and mind no flag; with an EFI partition alone there is nothing for them.
        return any(p.kind not in partitions.EFI for p in parts)
    if any(p.kind == partitions.MICROSOFT_RESERVED for p in parts):
        return False
    return any(p.kind == partitions.BIOS_BOOT or p.active for p in parts)


@warning
def unknown(seen: Seen) -> Iterator[str]:
    """A boot disk with nothing to start from may be the wrong one, or encrypted as a whole."""
    boot = seen.boot
    if boot is None or boot.table.partitions or boot.table.faults:
        return
    holds = boot.volumes[0].holds
    if holds == "zero":
        yield _(
            "its boot disk {disk} begins with zeroes, there is nothing to start from: is another one its boot disk?"
        ).format(disk=boot.disk.id)
    elif holds in {"", "swap", "suspended"} | ENCRYPTED:
        yield _(
            "its boot disk {disk} has no partition table that can be read: is another one its boot disk, or is it encrypted?"
        ).format(disk=boot.disk.id)
    else:
        yield _(
            "its boot disk {disk} has no partition table but a file system or volume ({holds}) as a whole: it starts only if a "
            "boot loader lies in its first sector"
        ).format(disk=boot.disk.id, holds=holds)


@warning
def damaged(seen: Seen) -> Iterator[str]:
    """It is as it is at the source: said before, it is not blamed on the move."""
    texts = {
        Fault.PRIMARY: _(
            "{disk}: the first copy of its GPT is damaged, the last one is whole: mend it in the guest (sgdisk -e)"
        ),
        Fault.GPT: _(
            "{disk}: it has a GPT, and neither copy of it is whole: look at the disk in the guest before it moves"
        ),
        Fault.LOGICAL: _(
            "{disk}: the chain of its logical partitions breaks off: look at the disk in the guest before it moves"
        ),
        Fault.BEYOND: _("{disk}: a partition of it ends behind the disk: it is cut off, or was made smaller"),
    }
    for disk in seen.disks:
        for fault in disk.table.faults:
            yield texts[fault].format(disk=disk.disk.id)


@warning
def sectors(seen: Seen) -> Iterator[str]:
    """The target's disks have sectors of 512 bytes, where nothing stands in such a table's place."""
    for disk in seen.disks:
        if disk.table.sector != 512:
            yield _(
                "{disk}: its partition table counts in sectors of {size} bytes, the target's disks have 512"
            ).format(disk=disk.disk.id, size=disk.table.sector)
