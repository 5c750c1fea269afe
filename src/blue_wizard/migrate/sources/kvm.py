"""Source `kvm+ssh`: a stand-alone KVM host, through `virsh` and `qemu-nbd` over SSH."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import ClassVar
from urllib.parse import urlsplit

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.jobs.model import Json
from blue_wizard.migrate import kvm_disks, kvm_inventory, kvm_rules
from blue_wizard.migrate.extents import Reader
from blue_wizard.migrate.kvm_warm import Rounds
from blue_wizard.migrate.machine import Machine, Power
from blue_wizard.migrate.shutdown import shut_down
from blue_wizard.migrate.sources import Export, source
from blue_wizard.migrate.transfer.nbd_reader import NbdReader
from blue_wizard.migrate.warm.protocol import PointDisk, Terms
from blue_wizard.reach import ssh
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
        """The domains whose name matches, running or not, with what keeps them from moving."""
        names = [n.strip() for n in self._virsh("list", "--all", "--name").splitlines() if n.strip()]
        for name in sorted(names):
            if fnmatch.fnmatch(name, match):
                yield self._machine(name)

    def _machine(self, name: str) -> Machine:
        try:
            vm, sizes = kvm_inventory.vm_of(self._virsh, name)
        except StepFailed as e:
            return Machine.unknown(name, name, e.message)
        return kvm_inventory.machine_of(vm, sizes, kvm_inventory.addresses_of(self._virsh, name) if vm.live else {})

    def _state(self, name: str) -> Power:
        return kvm_inventory.power_now(self._virsh, name)

    def _refuse_unmovable(self, name: str) -> None:
        """Raises StepFailed when something keeps it from moving by now."""
        vm, _sizes = kvm_inventory.vm_of(self._virsh, name)
        if reasons := kvm_rules.blockers(vm):
            raise StepFailed(_("{name} can't be moved: {reason}").format(name=name, reason="; ".join(reasons)))

    @contextmanager
    def open_disk(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        """The disk through a `qemu-nbd` on the host and a forwarded socket.

        Raises StepFailed while the domain runs, or cannot be moved.
        """
        self._refuse_unmovable(machine_id)
        with self._at_rest(machine_id, disk_id) as export:
            yield export

    @contextmanager
    def _at_rest(self, machine_id: str, disk_id: str) -> Iterator[Export]:
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
    def glance(self, machine_id: str, disk_id: str) -> Iterator[Reader | None]:
        """The disk of a domain that is off, for a few reads."""
        with self._at_rest(machine_id, disk_id) as disk, closing(NbdReader(disk.uri, disk.size)) as reader:
            yield reader

    @contextmanager
    def peek_disk(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        """The same for a look at a disk that may be in use: what is read need not be consistent."""
        with self._export(machine_id, disk_id) as export:
            yield export

    @contextmanager
    def _export(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        disk = kvm_disks.disk_of(self._host, self._virsh, machine_id, disk_id, "--inactive")
        with kvm_disks.export_of(self._host, self._virsh, machine_id, disk) as export:
            yield export

    def power(self, machine_id: str) -> Power:
        """Whether the domain runs."""
        return self._state(machine_id)

    def shut_down(self, machine_id: str, *, timeout_s: float, check_stop: Callable[[], None]) -> None:
        """Ask the guest by its agent, else by ACPI, and wait.

        Raises StepFailed when it is still on after `timeout_s` seconds; and before it is asked when it cannot be moved, since a
        transient domain could not be started again.
        """
        self._refuse_unmovable(machine_id)
        shut_down(
            machine_id,
            power=lambda: self._state(machine_id),
            ask=lambda: self._virsh("shutdown", machine_id, "--mode", "agent,acpi"),
            timeout_s=timeout_s,
            check_stop=check_stop,
        )

    def start(self, machine_id: str) -> None:
        """Start the domain unless it runs."""
        if self._state(machine_id) is Power.OFF:
            self._virsh("start", machine_id)

    def cut_power(self, machine_id: str) -> None:
        """End its QEMU, which writes out what its disks were told to keep."""
        if self._state(machine_id) is not Power.OFF:
            self._virsh("destroy", machine_id, "--graceful", timeout_s=120)

    # While it runs.

    def _rounds(self, machine_id: str) -> Rounds:
        return Rounds(self._host, self._virsh, machine_id)

    def warm_terms(self, machine_id: str) -> Terms:
        """Root is needed for QEMU's socket, and QCOW2 disks for being told what changes."""
        return self._rounds(machine_id).terms()

    def warm_state(self, machine_id: str) -> Json:
        """Nothing is prepared."""
        return None

    def prepare(self, machine_id: str) -> None:
        """Nothing has to be."""

    def begin_point(self, machine_id: str, owner: str, disks: Sequence[str], since: Json | None) -> Json:
        """One backup of all disks with a checkpoint, or without one where libvirt makes none; the images of one that is off."""
        return self._rounds(machine_id).begin(owner, disks, since)

    def point_stands(self, machine_id: str, point: Json) -> bool:
        """The backup still runs; of one that is off, the images are as they were."""
        return self._rounds(machine_id).stands(point)

    @contextmanager
    def open_point(self, machine_id: str, point: Json, disk_id: str, since: Json | None) -> Iterator[PointDisk]:
        """The export of the running backup, or the image with its bitmap."""
        with self._rounds(machine_id).open(point, disk_id, since) as disk:
            yield disk

    def end_point(self, machine_id: str, owner: str, point: Json) -> None:
        """End the backup; the checkpoint stays, and those before it go."""
        self._rounds(machine_id).end(owner, point)

    def forget(self, machine_id: str, owner: str, was: Json | None) -> None:
        """No backup, no checkpoint, no bitmap, no file of ours."""
        self._rounds(machine_id).forget(owner)
