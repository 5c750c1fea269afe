"""Source `kvm+ssh`: a stand-alone KVM host, through `virsh` and `qemu-nbd` over SSH."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.facts import libvirt_xml
from blue_wizard.migrate.machine import Disk, Firmware, Machine, Nic, Power
from blue_wizard.migrate.shutdown import shut_down
from blue_wizard.migrate.sources import Export, source
from blue_wizard.reach import nbd, ssh
from blue_wizard.reach.remote_nbd import serve_on
from blue_wizard.text import _

__all__ = ["Kvm"]


@source
class Kvm:
    """``kvm+ssh://[USER@]HOST[:PORT]``. The host needs libvirt's clients and qemu-utils."""

    schemes: ClassVar[tuple[str, ...]] = ("kvm+ssh",)

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.hostname or parts.path not in {"", "/"} or parts.password:
            raise InputError(
                _("{url} is not the URL of a KVM host.").format(url=parts._replace(netloc="...").geturl()),
                _("Write kvm+ssh://user@host (with a key, not a password)."),
            )
        self._host = ssh.host(parts.hostname, parts.username, parts.port)

    @property
    def target(self) -> str:
        """Copies from one host share its disks and its network card."""
        return f"kvm:{self._host.name}"

    def _virsh(self, *args: str, timeout_s: float = 60) -> str:
        result = self._host.run(["env", "LC_ALL=C", "virsh", "-q", "-c", "qemu:///system", *args], timeout_s=timeout_s)
        if result.status == 127:
            raise InputError(
                _("There is no virsh on {host}.").format(host=self._host.name),
                _("Install the Debian package {name}.").format(name="libvirt-clients"),
            )
        if result.status != 0:
            raise StepFailed(
                _("virsh {command} failed on {host}: {error}").format(
                    command=args[0], host=self._host.name, error=result.stderr.strip()
                )
            )
        return result.stdout

    def discover(self, match: str = "*") -> Iterable[Machine]:
        """The domains whose name matches, running or not."""
        names = [n.strip() for n in self._virsh("list", "--all", "--name").splitlines() if n.strip()]
        for name in sorted(names):
            if fnmatch.fnmatch(name, match):
                yield self._machine(name)

    def _machine(self, name: str) -> Machine:
        domain = libvirt_xml.parse_domain(self._virsh("dumpxml", "--inactive", name))
        power = self._state(name)
        warnings = [_("A device of the host is passed through to it; it does not move.")] if domain.passthrough else []
        disks = []
        first = min((d.order for d in domain.disks if d.order is not None), default=None)
        for i, d in enumerate(domain.disks):
            if d.kind not in {"file", "block"} or not d.path:
                raise InputError(
                    _("Disk {disk} of {name} is of kind {kind}, which is not read yet.").format(
                        disk=d.device, name=name, kind=d.kind
                    ),
                    _("Leave the machine out with --match, or detach the disk."),
                )
            size, used = libvirt_xml.parse_block_info(self._virsh("domblkinfo", name, d.device))
            disks.append(Disk(d.device, size, d.format, d.bus, used, d.order == first if first is not None else i == 0))
        if not disks:
            raise InputError(_("{name} on {host} has no disk.").format(name=name, host=self._host.name))
        addresses = self._addresses(name) if power is Power.ON else {}
        return Machine(
            id=domain.name,
            name=domain.name,
            vcpus=domain.vcpus,
            memory=domain.memory,
            disks=tuple(disks),
            nics=tuple(
                Nic(n.mac.lower(), n.network, n.model, tuple(addresses.get(n.mac.lower(), ()))) for n in domain.nics
            ),
            firmware=Firmware.UEFI if domain.uefi else Firmware.BIOS,
            secure_boot=domain.secure_boot,
            power=power,
            warnings=tuple(warnings),
        )

    def _addresses(self, name: str) -> dict[str, list[str]]:
        for origin in ("lease", "agent", "arp"):
            try:
                found = libvirt_xml.parse_addresses(self._virsh("domifaddr", name, "--source", origin))
            except StepFailed:
                continue  # no agent in the guest, no DHCP of libvirt's own
            if found:
                return found
        return {}

    def _state(self, name: str) -> Power:
        state = self._virsh("domstate", name).strip()
        return Power.OFF if state in {"shut off", "crashed"} else Power.ON

    @contextmanager
    def open_disk(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        """The disk through a `qemu-nbd` on the host and a forwarded socket. Raises StepFailed while the domain runs."""
        if self._state(machine_id) is not Power.OFF:
            raise StepFailed(
                _("{name} runs on {host}: its disk changes while it is read.").format(
                    name=machine_id, host=self._host.name
                ),
                _("Shut it down first (--shutdown does it at the cut-over)."),
            )
        with self._export(machine_id, disk_id) as export:
            yield export

    @contextmanager
    def peek_disk(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        """The same for a look at a disk that may be in use: what is read need not be consistent."""
        with self._export(machine_id, disk_id) as export:
            yield export

    @contextmanager
    def _export(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        domain = libvirt_xml.parse_domain(self._virsh("dumpxml", "--inactive", machine_id))
        disk = next((d for d in domain.disks if d.device == disk_id), None)
        if disk is None:
            raise StepFailed(
                _("{name} on {host} has no disk {disk} any more.").format(
                    name=machine_id, host=self._host.name, disk=disk_id
                )
            )
        size, _used = libvirt_xml.parse_block_info(self._virsh("domblkinfo", machine_id, disk_id))
        node = nbd.file_node(Path(disk.path), disk.format, device=disk.kind == "block")
        # The times of a block device say nothing of what was written to it.
        stamp = None if disk.kind == "block" else partial(self._stamp, disk.path)
        with serve_on(self._host, node, disk.path) as uri:
            yield Export(uri, size, stamp=stamp)

    def _stamp(self, path: str) -> str:
        return self._host.check(["stat", "-L", "-c", "%d:%i %s %y", path]).strip()

    def power(self, machine_id: str) -> Power:
        """Whether the domain runs."""
        return self._state(machine_id)

    def shut_down(self, machine_id: str, *, timeout_s: float, check_stop: Callable[[], None]) -> None:
        """Ask the guest by ACPI and wait. Raises StepFailed when it is still on after `timeout_s` seconds."""
        shut_down(
            machine_id,
            power=lambda: self._state(machine_id),
            ask=lambda: self._virsh("shutdown", machine_id, "--mode", "acpi"),
            timeout_s=timeout_s,
            check_stop=check_stop,
        )

    def start(self, machine_id: str) -> None:
        """Start the domain unless it runs."""
        if self._state(machine_id) is Power.OFF:
            self._virsh("start", machine_id)
