"""What keeps a virtual machine of vSphere from moving, and what will change for it. One rule is one small function.

A rule registers itself with `@blocker` (the machine can't move) or `@warning` (it can, but somebody should know), and yields
one sentence for each thing that it finds. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from blue_wizard.facts.vsphere import Vm
from blue_wizard.migrate.rules import Rules
from blue_wizard.text import _

__all__ = ["blockers", "warm_blockers", "warnings"]

blocker = Rules[Vm]()
"""Rules whose findings keep the machine from moving."""
warm_blocker = Rules[Vm]()
"""Rules whose findings keep the machine from being copied while it runs."""
warning = Rules[Vm]()
"""Rules whose findings are told."""
_READ_BACKINGS = {"FlatVer1", "FlatVer2"}
_OLDEST_HARDWARE = 7


def blockers(vm: Vm) -> tuple[str, ...]:
    """Why the machine can't move; empty when it can."""
    return blocker.findings(vm)


def warm_blockers(vm: Vm) -> tuple[str, ...]:
    """Why the machine can't be copied while it runs, beside what keeps it from moving at all."""
    return warm_blocker.findings(vm)


def warnings(vm: Vm) -> tuple[str, ...]:
    """What will change for the machine, or can't be known."""
    return warning.findings(vm)


@blocker
def unreadable(vm: Vm) -> Iterator[str]:
    """Its configuration is not there."""
    if not vm.readable:
        yield _("its configuration can't be read: it is orphaned, or the user may not see it")
    elif not vm.connected:
        yield _("its host is not connected, or its files are gone")


@blocker
def no_disk(vm: Vm) -> Iterator[str]:
    """Nothing to copy."""
    if vm.readable and not vm.disks:
        yield _("it has no disk")


@blocker
def template(vm: Vm) -> Iterator[str]:
    """A template is not a machine."""
    if vm.template:
        yield _("it is a template: make a machine of it, or export it as an image")


@blocker
def raw_device(vm: Vm) -> Iterator[str]:
    """Raw device mappings are LUNs of the storage, not files."""
    for disk in vm.disks:
        if disk.backing.startswith("RawDisk"):
            yield _("{disk} is a raw device mapping (RDM): its data is on the LUN itself").format(disk=disk.label)


@blocker
def backing(vm: Vm) -> Iterator[str]:
    """Other kinds of files have no plain content behind them."""
    for disk in vm.disks:
        if disk.backing not in _READ_BACKINGS and not disk.backing.startswith("RawDisk"):
            text = _("{disk} is of kind {kind}, which is not read yet")
            yield text.format(disk=disk.label, kind=disk.backing or "?")


@blocker
def shared(vm: Vm) -> Iterator[str]:
    """Another machine may write to the disk while it is copied, and would lose it afterwards."""
    for disk in vm.disks:
        if disk.sharing not in {"sharingNone", ""}:
            yield _("{disk} is shared with other machines (multi-writer)").format(disk=disk.label)
        elif disk.bus_sharing not in {"noSharing", ""}:
            yield _("{disk} is on a controller with bus sharing: it belongs to a cluster").format(disk=disk.label)


@blocker
def snapshots(vm: Vm) -> Iterator[str]:
    """The flat file of a machine with snapshots holds an old state; what was written since is in other files."""
    if vm.snapshots:
        yield _("it has {count} snapshots: delete them, so that each disk is one file again").format(
            count=len(vm.snapshots)
        )
    for disk in vm.disks:
        if disk.parent and not vm.snapshots:
            yield _("{disk} is a difference to another disk (linked clone, or a snapshot to be consolidated)").format(
                disk=disk.label
            )


@blocker
def encryption(vm: Vm) -> Iterator[str]:
    """What is read is encrypted, and the key is not ours."""
    if vm.encrypted or any(d.encrypted for d in vm.disks):
        yield _("it is encrypted: decrypt it first (storage policy)")


@blocker
def scattered(vm: Vm) -> Iterator[str]:
    """What looks like one file is a chain of them."""
    if vm.scattered and not vm.snapshots:
        yield _("its disks need consolidation: do that in vCenter")


@blocker
def tpm(vm: Vm) -> Iterator[str]:
    """The TPM's secrets can't leave; a guest that seals its disk to them does not start without."""
    if vm.tpm:
        yield _("it has a virtual TPM, whose secrets can't move: suspend BitLocker and the like, then remove it")


@blocker
def suspended(vm: Vm) -> Iterator[str]:
    """A suspended guest's memory holds what its disks lack."""
    if vm.power == "suspended":
        yield _("it is suspended: its disks lack what is in its memory; resume it and shut it down")


@blocker
def volatile(vm: Vm) -> Iterator[str]:
    """The base file never sees a write."""
    for disk in vm.disks:
        if disk.mode == "independent_nonpersistent":
            yield _("{disk} is non-persistent: what the guest writes is thrown away at power-off").format(
                disk=disk.label
            )


@warning
def independent(vm: Vm) -> Iterator[str]:
    """Fine while it is off; a snapshot would leave it out."""
    for disk in vm.disks:
        if disk.mode.startswith("independent_persistent"):
            yield _(
                "{disk} is independent: snapshots leave it out, so it can only be copied while the machine is off"
            ).format(disk=disk.label)


@warning
def fault_tolerance(vm: Vm) -> Iterator[str]:
    """Its shadow goes with it."""
    if vm.fault_tolerant:
        yield _("it is protected by Fault Tolerance: the target has nothing of that kind")


@warning
def no_tools(vm: Vm) -> Iterator[str]:
    """Nobody inside hears a shutdown request."""
    if vm.power == "poweredOn" and not vm.tools:
        yield _(
            "VMware Tools do not run in it: it can't be shut down cleanly from here, and its addresses are not known"
        )


@warning
def old_hardware(vm: Vm) -> Iterator[str]:
    """Below version 7 there is no changed-block tracking, and guests are of that age."""
    if vm.hardware is not None and vm.hardware < _OLDEST_HARDWARE:
        yield _("its virtual hardware is of version {version}: try its guest on the target first").format(
            version=vm.hardware
        )


@warning
def nvme(vm: Vm) -> Iterator[str]:
    """The target has virtio or SCSI in its place."""
    for disk in vm.disks:
        if disk.bus == "nvme":
            yield _("{disk} is an NVMe disk: the guest will see it on another bus, by another name").format(
                disk=disk.label
            )


@warning
def media(vm: Vm) -> Iterator[str]:
    """CDs and floppies stay behind."""
    for file in vm.media:
        yield _("the medium {file} is attached: it does not move").format(file=file or "?")


@warning
def passthrough(vm: Vm) -> Iterator[str]:
    """Devices of the host stay with the host."""
    for kind in vm.passthrough:
        yield _("a device of the host is passed through to it ({kind}): it does not move").format(kind=kind)


@warm_blocker
def left_out(vm: Vm) -> Iterator[str]:
    """A snapshot leaves such a disk out, so it would have no common point in time with the others."""
    for disk in vm.disks:
        if disk.mode.startswith("independent"):
            yield _("{disk} is independent: snapshots leave it out").format(disk=disk.label)


@warm_blocker
def untracked(vm: Vm) -> Iterator[str]:
    """Changed block tracking came with virtual hardware 7."""
    if not vm.can_track or (vm.hardware is not None and vm.hardware < _OLDEST_HARDWARE):
        yield _("its virtual hardware has no changed block tracking")


@warm_blocker
def no_snapshots(vm: Vm) -> Iterator[str]:
    """vSphere refuses snapshots of machines with devices of the host, or a bus that is shared."""
    for kind in vm.passthrough:
        yield _("a device of the host is passed through to it ({kind}): there are no snapshots of it").format(kind=kind)


@warm_blocker
def shadowed(vm: Vm) -> Iterator[str]:
    """Fault Tolerance forbids snapshots of other programs."""
    if vm.fault_tolerant:
        yield _("it is protected by Fault Tolerance: there are no snapshots of it")
