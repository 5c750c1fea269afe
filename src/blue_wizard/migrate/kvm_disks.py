"""The disks of a KVM host's machines that are off, read by a `qemu-nbd` over there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from blue_wizard.errors import StepFailed
from blue_wizard.facts.libvirt_xml import DomainDisk
from blue_wizard.migrate import kvm_inventory
from blue_wizard.migrate.kvm_inventory import Virsh
from blue_wizard.migrate.source import Export
from blue_wizard.reach import nbd, ssh
from blue_wizard.reach.remote_nbd import serve_on
from blue_wizard.text import _

__all__ = ["disk_of", "export_of", "stamp_of"]


def stamp_of(host: ssh.Host, path: str) -> str:
    """What changes when a file is written to or replaced. Raises StepFailed when it is gone."""
    return host.check(["stat", "-L", "-c", "%d:%i %s %y", path]).strip()


def disk_of(host: ssh.Host, virsh: Virsh, name: str, device: str, *options: str) -> DomainDisk:
    """A disk of a domain (see `kvm_inventory.domain_of`). Raises StepFailed when it is gone."""
    disk = next((d for d in kvm_inventory.domain_of(virsh, name, *options).disks if d.device == device), None)
    if disk is None:
        raise StepFailed(
            _("{name} on {host} has no disk {disk} any more.").format(name=name, host=host.name, disk=device)
        )
    return disk


@contextmanager
def export_of(host: ssh.Host, virsh: Virsh, name: str, disk: DomainDisk, *, bitmap: str = "") -> Iterator[Export]:
    """The image or device of a disk through a `qemu-nbd` on the host, with one of its bitmaps."""
    size, _used = kvm_inventory.size_of(virsh, name, disk)
    node = nbd.file_node(Path(disk.path), disk.format, device=disk.kind == "block")
    # The times of a block device say nothing of what was written to it.
    stamp = None if disk.kind == "block" else partial(stamp_of, host, disk.path)
    with serve_on(host, node, disk.path, bitmap=bitmap) as uri:
        yield Export(uri, size, stamp=stamp)
