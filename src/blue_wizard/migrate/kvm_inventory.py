"""What a KVM host tells of one of its domains through `virsh`, and the machine that it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from blue_wizard.errors import StepFailed
from blue_wizard.facts import libvirt_xml
from blue_wizard.facts.libvirt_xml import Domain, DomainDisk, Volume
from blue_wizard.migrate import kvm_rules
from blue_wizard.migrate.kvm_rules import Vm
from blue_wizard.migrate.machine import Disk, Firmware, Machine, Nic, Power
from blue_wizard.text import _

__all__ = [
    "Virsh",
    "addresses_of",
    "domain_of",
    "machine_of",
    "power_now",
    "power_of",
    "size_of",
    "vm_of",
]

_OFF = {"shut off", "crashed"}


class Virsh(Protocol):
    """Run a command of virsh. Raises StepFailed with libvirt's own words when it fails."""

    def __call__(self, *args: str) -> str:
        """Its output."""
        ...


def power_of(state: str) -> Power:
    """The power of libvirt's word for a state. A paused domain counts as running: its disks are not at rest."""
    return Power.OFF if state in _OFF else Power.ON


def power_now(virsh: Virsh, name: str) -> Power:
    """The power of a domain. Raises StepFailed."""
    return power_of(virsh("domstate", name).strip())


def domain_of(virsh: Virsh, name: str, *options: str) -> Domain:
    """The domain as it runs, or as it would; as it is defined with ``--inactive``.

    Volumes of libvirt's pools become the files or block devices that they are. Raises StepFailed.
    """
    domain = libvirt_xml.parse_domain(virsh("dumpxml", name, *options))
    return replace(domain, disks=tuple(_resolved(virsh, d) for d in domain.disks))


def _resolved(virsh: Virsh, disk: DomainDisk) -> DomainDisk:
    if disk.kind != "volume":
        return disk
    try:
        volume = _volume(virsh, disk)
    except StepFailed:
        return disk  # its pool is not started, or it is gone
    return replace(disk, kind=volume.kind, path=volume.path)


def _volume(virsh: Virsh, disk: DomainDisk) -> Volume:
    pool, name = disk.volume
    return libvirt_xml.parse_volume(virsh("vol-dumpxml", name, "--pool", pool))


def size_of(virsh: Virsh, name: str, disk: DomainDisk) -> tuple[int, int]:
    """(virtual size, allocated bytes) of a disk. Raises StepFailed when libvirt can't tell."""
    if all(disk.volume):
        # A domain that is off does not know the sizes of its volumes.
        volume = _volume(virsh, disk)
        return volume.size, volume.used
    try:
        return libvirt_xml.parse_block_info(virsh("domblkinfo", name, disk.device))
    except ValueError as e:
        raise StepFailed(_("libvirt does not know its size: is it gone?")) from e


def vm_of(virsh: Virsh, name: str) -> tuple[Vm, dict[str, tuple[int, int]]]:
    """The domain, and of each of its disks (size, allocated bytes) as far as libvirt can tell. Raises StepFailed."""
    info = libvirt_xml.parse_info(virsh("dominfo", name))
    domain = domain_of(virsh, name, "--inactive")
    live = libvirt_xml.parse_domain(virsh("dumpxml", name)) if power_of(info.state) is Power.ON else None
    sizes: dict[str, tuple[int, int]] = {}
    unreadable: dict[str, str] = {}
    for disk in domain.disks:
        if disk.kind in kvm_rules.READABLE:
            try:
                sizes[disk.device] = size_of(virsh, name, disk)
            except StepFailed as e:
                unreadable[disk.device] = e.message
    return Vm(domain, info, live, unreadable), sizes


def addresses_of(virsh: Virsh, name: str) -> dict[str, list[str]]:
    """The addresses of a running domain by MAC address, from the first who knows any: libvirt's DHCP, the agent, ARP."""
    for origin in ("lease", "agent", "arp"):
        try:
            found = libvirt_xml.parse_addresses(virsh("domifaddr", name, "--source", origin))
        except StepFailed:
            continue  # no agent in the guest, no DHCP of libvirt's own
        if found:
            return found
    return {}


def machine_of(vm: Vm, sizes: Mapping[str, tuple[int, int]], addresses: Mapping[str, list[str]]) -> Machine:
    """The machine (pure)."""
    domain = vm.domain
    first = min((d.order for d in domain.disks if d.order is not None), default=None)
    return Machine(
        id=domain.name,
        name=domain.name,
        vcpus=domain.vcpus,
        memory=domain.memory,
        disks=tuple(
            Disk(
                id=d.device,
                size=sizes[d.device][0] if d.device in sizes else 0,
                format=d.format,
                bus=d.bus,
                used=sizes[d.device][1] if d.device in sizes else None,
                boot=d.order == first if first is not None else i == 0,
            )
            for i, d in enumerate(domain.disks)
        ),
        nics=tuple(
            Nic(n.mac.lower(), n.network, n.model, tuple(addresses.get(n.mac.lower(), ()))) for n in domain.nics
        ),
        firmware=Firmware.UEFI if domain.uefi else Firmware.BIOS,
        secure_boot=domain.secure_boot,
        power=power_of(vm.info.state),
        warnings=kvm_rules.warnings(vm),
        blockers=kvm_rules.blockers(vm),
    )
