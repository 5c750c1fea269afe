"""What keeps a machine of a KVM host from moving, and what will change for it. One rule is one small function.

A rule registers itself with `@blocker` (the machine can't move) or `@warning` (it can, but somebody should know), and yields
one sentence for each thing that it finds. Pure. What the words of libvirt mean is told by https://libvirt.org/formatdomain.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from blue_wizard.facts.libvirt_xml import Domain, DomainInfo
from blue_wizard.migrate.rules import Rules
from blue_wizard.text import _

__all__ = ["READABLE", "Vm", "blockers", "warnings"]


@dataclass(frozen=True)
class Vm:
    """A domain as it is defined, how it stands, and as it runs (None while it is off).

    `unreadable` are the disks of which libvirt can't tell the size, with its words.
    """

    domain: Domain
    info: DomainInfo
    live: Domain | None = None
    unreadable: Mapping[str, str] = field(default_factory=dict)


blocker = Rules[Vm]()
"""Rules whose findings keep the machine from moving."""
warning = Rules[Vm]()
"""Rules whose findings are told."""
READABLE = frozenset({"file", "block"})
"""The kinds of disks that are read."""
# One that is in shutdown is on its way to be off, as a worker that was killed while it waited for that finds it.
_STEADY = {"running", "idle", "in shutdown", "shut off", "crashed"}
_X86 = {"x86_64", "i686"}


def blockers(vm: Vm) -> tuple[str, ...]:
    """Why the machine can't move; empty when it can."""
    return blocker.findings(vm)


def warnings(vm: Vm) -> tuple[str, ...]:
    """What will change for the machine, or can't be known."""
    return warning.findings(vm)


@blocker
def no_disk(vm: Vm) -> Iterator[str]:
    """Nothing to copy."""
    if not vm.domain.disks:
        yield _("it has no disk")


@blocker
def state(vm: Vm) -> Iterator[str]:
    """A saved or paused guest's memory holds what its disks lack. `libvirt-guests` saves all guests when its host goes down."""
    if vm.info.saved:
        yield _("it is {state}: its disks lack what is in its memory; start it and shut it down").format(state="saved")
    elif vm.info.state in {"paused", "pmsuspended"}:
        yield _("it is {state}: its guest can't be shut down; wake it up first").format(state=vm.info.state)
    elif vm.info.state not in _STEADY:
        yield _("it is {state}: wait until it runs or is off").format(state=vm.info.state)


@blocker
def transient(vm: Vm) -> Iterator[str]:
    """Once it is shut down nobody could start it again, and nobody would know its disks."""
    if not vm.info.persistent:
        yield _("it is transient, libvirt forgets it when it is off: virsh dumpxml {name}, and virsh define").format(
            name=vm.domain.name
        )


@blocker
def only_while_it_runs(vm: Vm) -> Iterator[str]:
    """A disk that was attached to the running guest alone is not in the definition, and would be left behind."""
    known = {d.device for d in vm.domain.disks}
    for disk in vm.live.disks if vm.live else ():
        if disk.device not in known:
            yield _("{disk} is attached only until it is shut down: attach it with --config, too").format(
                disk=disk.device
            )


@blocker
def out_of_reach(vm: Vm) -> Iterator[str]:
    """There is no file or block device to read."""
    for disk in vm.domain.disks:
        if disk.kind not in READABLE:
            yield _("{disk} is of kind {kind}, which is not read: copy it into a file or a block device").format(
                disk=disk.device, kind=disk.kind
            )
        elif disk.device in vm.unreadable:
            yield _("{disk}: {file} can't be read: {error}").format(
                disk=disk.device, file=disk.path, error=vm.unreadable[disk.device]
            )


@blocker
def pass_through(vm: Vm) -> Iterator[str]:
    """The guest may hold reservations on it, and what answers it is the storage itself."""
    for disk in vm.domain.disks:
        if disk.lun:
            yield _("{disk} is a LUN that is handed through to it: copy its data by its own means").format(
                disk=disk.device
            )


@blocker
def shared(vm: Vm) -> Iterator[str]:
    """Another machine may write to the disk while it is copied, and would lose it afterwards."""
    for disk in vm.domain.disks:
        if disk.shared:
            yield _("{disk} is shared with other machines: it belongs to a cluster").format(disk=disk.device)


@blocker
def encrypted(vm: Vm) -> Iterator[str]:
    """The key is libvirt's secret, and does not move."""
    for disk in vm.domain.disks:
        if disk.encrypted:
            yield _("{disk} is encrypted by the host: copy it into an image that is not").format(disk=disk.device)


@blocker
def sectors(vm: Vm) -> Iterator[str]:
    """A guest's file systems and partitions count in its disks' sectors, and the target's have 512 bytes."""
    for disk in vm.domain.disks:
        if disk.sector != 512:
            yield _("{disk} has sectors of {size} bytes, the target's disks have 512").format(
                disk=disk.device, size=disk.sector
            )


@blocker
def tpm(vm: Vm) -> Iterator[str]:
    """The TPM's secrets can't leave; a guest that seals its disk to them does not start without."""
    if vm.domain.tpm:
        yield _("it has a virtual TPM, whose secrets can't move: suspend BitLocker and the like, then remove it")


@blocker
def sealed(vm: Vm) -> Iterator[str]:
    """The keys of SEV and its like are the processor's."""
    if vm.domain.sealed:
        yield _("its memory is encrypted (launchSecurity): what is sealed to that opens nowhere else")


@blocker
def architecture(vm: Vm) -> Iterator[str]:
    """The target's hosts are x86."""
    if vm.domain.architecture not in _X86:
        yield _("it is a {architecture} machine").format(architecture=vm.domain.architecture)


@warning
def kernel(vm: Vm) -> Iterator[str]:
    """A server boots from its disk."""
    if vm.domain.kernel:
        yield _("it boots the kernel {file} of its host: its disk needs a boot loader of its own").format(
            file=vm.domain.kernel
        )


@warning
def devices(vm: Vm) -> Iterator[str]:
    """They stay where they are."""
    if vm.domain.passthrough:
        yield _("A device of the host is passed through to it; it does not move.")
    if vm.domain.folders:
        yield _("folders of the host are shared with it ({folders}); they do not move").format(
            folders=", ".join(vm.domain.folders)
        )


@warning
def cards_only_while_it_runs(vm: Vm) -> Iterator[str]:
    """They are not in the definition."""
    known = {n.mac.lower() for n in vm.domain.nics}
    for nic in vm.live.nics if vm.live else ():
        if nic.mac.lower() not in known:
            yield _("card {mac} is attached only until it is shut down; it does not move").format(mac=nic.mac)


@warning
def started_by_others(vm: Vm) -> Iterator[str]:
    """Whoever starts it again after the move makes two of one machine."""
    if vm.info.autostart:
        yield _("its host starts it when it boots: virsh autostart --disable {name} after the move").format(
            name=vm.domain.name
        )
