"""What keeps a virtual machine of Hyper-V from moving, and what will change for it. One rule is one small function.

A rule registers itself with `@blocker` (the machine can't move) or `@warning` (it can, but somebody should know), and yields
one sentence for each thing that it finds. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from blue_wizard.facts.hyperv import Vm
from blue_wizard.migrate.rules import Rules
from blue_wizard.text import _

__all__ = ["blockers", "warnings"]

blocker = Rules[Vm]()
"""Rules whose findings keep the machine from moving."""
warning = Rules[Vm]()
"""Rules whose findings are told."""
_STEADY = {"Off", "Running"}
_BUSY = ("Merging", "Creating", "Applying", "Deleting", "Exporting", "Migrating", "Backing")


def blockers(vm: Vm) -> tuple[str, ...]:
    """Why the machine can't move; empty when it can."""
    return blocker.findings(vm)


def warnings(vm: Vm) -> tuple[str, ...]:
    """What will change for the machine, or can't be known."""
    return warning.findings(vm)


@blocker
def no_disk(vm: Vm) -> Iterator[str]:
    """Nothing to copy."""
    if not vm.disks:
        yield _("it has no disk")


@blocker
def state(vm: Vm) -> Iterator[str]:
    """A saved or paused guest's memory holds what its disks lack."""
    if vm.state in {"Saved", "Paused", "FastSaved"}:
        yield _("it is {state}: its disks lack what is in its memory; start it and shut it down").format(
            state=vm.state.lower()
        )
    elif vm.state not in _STEADY:
        yield _("it is {state}: wait until it runs or is off").format(state=vm.state)
    if vm.status.startswith(_BUSY) or any(f",{word}" in vm.status for word in _BUSY):
        yield _("Hyper-V is at work on its disks ({status}): wait for the end").format(status=vm.status)


@blocker
def pass_through(vm: Vm) -> Iterator[str]:
    """There is no file to read."""
    for disk in vm.disks:
        if disk.physical:
            yield _(
                "{disk} is a pass-through disk of the host: copy its data by its own means, or make a VHDX of it"
            ).format(disk=disk.id)


@blocker
def shared(vm: Vm) -> Iterator[str]:
    """Another machine may write to the disk while it is copied, and would lose it afterwards."""
    for disk in vm.disks:
        if disk.shared or disk.path.lower().endswith(".vhds"):
            yield _("{disk} is shared with other machines (shared VHDX or VHD set): it belongs to a cluster").format(
                disk=disk.id
            )


@blocker
def unreadable(vm: Vm) -> Iterator[str]:
    """Hyper-V itself can't read the chain."""
    for disk in vm.disks:
        if disk.physical or disk.path.lower().endswith(".vhds"):
            continue
        for file in disk.chain:
            if file.error:
                yield _("{disk}: {file} can't be read: {error}").format(disk=disk.id, file=file.path, error=file.error)
        if not disk.chain or not disk.size:
            yield _("{disk} has no readable file").format(disk=disk.id)


@blocker
def sectors(vm: Vm) -> Iterator[str]:
    """A guest's file systems and partitions count in its disks' sectors, and the target's have 512 bytes."""
    for disk in vm.disks:
        if disk.chain and disk.chain[0].sector != 512:
            yield _("{disk} has sectors of {size} bytes, the target's disks have 512").format(
                disk=disk.id, size=disk.chain[0].sector
            )


@blocker
def tpm(vm: Vm) -> Iterator[str]:
    """The TPM's secrets can't leave; a guest that seals its disk to them does not start without."""
    if vm.tpm:
        yield _("it has a virtual TPM, whose secrets can't move: suspend BitLocker and the like, then remove it")


@blocker
def shielded(vm: Vm) -> Iterator[str]:
    """What is read is encrypted, and the key is not ours."""
    if vm.shielded:
        yield _("it is shielded, or its state is encrypted: take that away first")


@blocker
def replica(vm: Vm) -> Iterator[str]:
    """A replica is written to by another host."""
    if vm.replication in {"Replica", "ExtendedReplica", "TestReplica"}:
        yield _("it is a replica ({mode}): move the machine that it is a replica of").format(mode=vm.replication)


@blocker
def fibre_channel(vm: Vm) -> Iterator[str]:
    """LUNs of the SAN, seen by the guest alone."""
    if vm.fibre:
        yield _("it has {count} Fibre Channel adapters: the LUNs behind them are not in files").format(count=vm.fibre)


@warning
def checkpoints(vm: Vm) -> Iterator[str]:
    """The chain is read as it is now."""
    if vm.checkpoints:
        yield _("it has {count} checkpoints: what moves is its present state, the checkpoints stay behind").format(
            count=vm.checkpoints
        )


@warning
def memory(vm: Vm) -> Iterator[str]:
    """The target gives a fixed amount."""
    if vm.dynamic:
        yield _("its memory is dynamic ({minimum} to {maximum} MiB): the server gets {chosen} MiB for good").format(
            minimum=vm.minimum, maximum=vm.maximum, chosen=max(vm.startup, vm.assigned)
        )


@warning
def shutdown(vm: Vm) -> Iterator[str]:
    """The cut-over needs it."""
    if vm.state == "Running" and not vm.shutdown:
        yield _("its guest does not answer the shutdown service: shut it down from inside before the cut-over")


@warning
def generation_one(vm: Vm) -> Iterator[str]:
    """Old guests know no other card."""
    if any(n.legacy for n in vm.nics):
        yield _("it has a legacy network card: the server's is another one, the guest needs a driver for it")


@warning
def trunks(vm: Vm) -> Iterator[str]:
    """A port of the target carries one network."""
    if any(n.trunk for n in vm.nics):
        yield _("a network card of it is a trunk or in a private VLAN: only its untagged network has a counterpart")


@warning
def devices(vm: Vm) -> Iterator[str]:
    """They stay where they are."""
    if vm.devices:
        yield _("A device of the host is passed through to it; it does not move.")
    if vm.dvd:
        yield _("a medium is in its DVD drive; it does not move")


@warning
def started_by_others(vm: Vm) -> Iterator[str]:
    """Whoever starts it again after the move makes two of one machine."""
    if vm.clustered:
        yield _("it is a role of a cluster: take it offline there after the move, or the cluster may start it")
    elif vm.autostart in {"Start", "StartIfRunning"}:
        yield _("its host may start it ({action}): set its automatic start to nothing after the move").format(
            action=vm.autostart
        )
    if vm.replication in {"Primary", "ExtendedPrimary"}:
        yield _("it is replicated to another host: end that after the move")
