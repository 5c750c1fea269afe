"""Source `hyperv`: a Hyper-V host through PowerShell, its disks over SMB or SFTP. See docs/how-to/migrate-from-hyperv.md."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from blue_wizard import config
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.facts import hyperv
from blue_wizard.facts.hyperv import VirtualDisk, Vm
from blue_wizard.migrate import hyperv_rules, serving
from blue_wizard.migrate.formats.base import Image
from blue_wizard.migrate.formats.chain import open_chain
from blue_wizard.migrate.machine import Disk, Firmware, Machine, Nic, Power
from blue_wizard.migrate.shutdown import shut_down
from blue_wizard.migrate.sources import Export, source
from blue_wizard.reach import powershell, ssh, vsphere_access
from blue_wizard.reach.remote_files import Files, SftpFiles, SmbFiles
from blue_wizard.text import _

__all__ = ["HyperV", "machine_of"]

_WINRM_PORT = 5986


@source
class HyperV:
    """``hyperv://USER@HOST[:PORT]/`` (WinRM) or ``hyperv+ssh://USER@HOST[:PORT]/``; ``?disks=smb`` or ``?disks=ssh``.

    WinRM goes with disks over SMB, SSH with disks over SFTP, unless it says otherwise. A machine's id is Hyper-V's GUID.
    """

    schemes: ClassVar[tuple[str, ...]] = ("hyperv", "hyperv+ssh")

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        by_ssh = parts.scheme == "hyperv+ssh"
        try:
            self._port = parts.port
            query = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
        except ValueError:
            query = {"": [""]}
        disks = query.pop("disks", ["ssh" if by_ssh else "smb"])
        usable = parts.hostname and (parts.username or by_ssh) and not parts.password and parts.path in {"", "/"}
        if not usable or query or disks not in (["smb"], ["ssh"]):
            raise InputError(
                _("{url} is not the URL of a Hyper-V host.").format(url=parts._replace(netloc="...").geturl()),
                _("Write hyperv://user@host/ or hyperv+ssh://user@host/, with ?disks=smb or ?disks=ssh if need be."),
            )
        self._url, self._by_ssh, self._disks = url, by_ssh, disks[0]
        self._name, self._user = parts.hostname or "", unquote(parts.username or "")

    @property
    def target(self) -> str:
        """All copies from one host share its disks and its network card."""
        return f"hyperv:{self._name}"

    @cached_property
    def _settings(self) -> config.SourceConfig:
        same = (s for s in config.load().sources.values() if s.url == self._url)
        return next(same, config.SourceConfig(url=self._url))

    @cached_property
    def _ssh(self) -> ssh.Host:
        return ssh.host(self._name, self._user or None, self._port if self._by_ssh else None)

    @cached_property
    def _run(self) -> powershell.Run:
        if self._by_ssh:
            return powershell.over_ssh(self._ssh)
        return powershell.over_winrm(self._name, self._port or _WINRM_PORT, self._user, self._settings, self._url)

    @cached_property
    def _files(self) -> Files:
        if self._disks == "ssh":
            return SftpFiles(self._ssh)
        where = vsphere_access.Access(self._url, self._name, 445, self._user, self._settings)
        # The name that the configuration knows may not be one that resolves.
        known = config.load().hosts.get(self._name)
        address = known.address if known and known.address else self._name
        return SmbFiles(address, self._user, lambda: vsphere_access.password(where))

    def _ask(self, script: str, machine_id: str = "", *, timeout_s: float = 120) -> list[Any]:
        try:
            body = hyperv.for_one(script, machine_id) if machine_id else script.replace("@WHICH@", "")
        except ValueError as e:
            raise StepFailed(_("{id} is not the id of a machine of Hyper-V.").format(id=machine_id)) from e
        return powershell.ask(self._run, self._name, body, timeout_s=timeout_s)

    def reachable(self) -> None:
        """Ask PowerShell for its version. Raises InputError."""
        try:
            self._ask('"$($PSVersionTable.PSVersion)"', timeout_s=30)
        except StepFailed as e:
            raise InputError(e.message, e.hint) from e

    def discover(self, match: str = "*") -> Iterable[Machine]:
        """The machines whose name matches, running or not, with what keeps them from moving."""
        try:
            answers = self._ask(hyperv.INVENTORY, "", timeout_s=600)
        except StepFailed as e:
            raise InputError(e.message, e.hint) from e
        found = [self._machine(a) for a in answers]
        yield from sorted((m for m in found if fnmatch.fnmatch(m.name, match)), key=lambda m: (m.name, m.id))

    def _machine(self, answer: Mapping[str, Any]) -> Machine:
        try:
            return machine_of(self._parsed(answer), self._name)
        except StepFailed as e:
            id, name = (str(answer.get(key, "?")) for key in ("id", "name"))
            return Machine.unknown(id.lower(), name, e.message)

    def _parsed(self, answer: Mapping[str, Any]) -> Vm:
        try:
            return hyperv.parse_vm(answer)
        except (KeyError, TypeError, ValueError) as e:
            raise StepFailed(
                _("{host} describes a machine in a way that is not understood: {error}").format(
                    host=self._name, error=e
                )
            ) from e

    def _vm(self, machine_id: str) -> Vm:
        found = [self._parsed(a) for a in self._ask(hyperv.INVENTORY, machine_id, timeout_s=600)]
        if len(found) != 1:
            raise StepFailed(_("{host} has no machine {id} any more.").format(host=self._name, id=machine_id))
        return found[0]

    def check(self, machine_id: str, check_stop: Callable[[], None]) -> None:
        """Can it be shut down, and can its disks be read? Raises InputError or StepFailed naming the disk."""
        vm = self._vm(machine_id)
        if vm.state == "Running" and not vm.shutdown:
            raise InputError(
                _(
                    "{name} runs, and its guest does not answer the shutdown service: it can't be shut down cleanly."
                ).format(name=vm.name),
                _("Shut it down from inside, then run again."),
            )
        if vm.state != "Off" or hyperv_rules.blockers(vm):
            # Hyper-V keeps the disks of a machine that runs to itself.
            return
        for disk in vm.disks:
            check_stop()
            self._image(vm, disk).close()

    @contextmanager
    def open_disk(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        """The disk with all its parents. Raises StepFailed while the machine runs."""
        vm = self._vm(machine_id)
        if _power(vm.state) is not Power.OFF:
            raise StepFailed(
                _("{name} runs on {host}: its disk changes while it is read.").format(name=vm.name, host=self._name),
                _("Shut it down first (--shutdown does it at the cut-over)."),
            )
        with self._export(vm, disk_id) as export:
            yield export

    @contextmanager
    def peek_disk(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        """The same for a look at a disk that may be in use; Hyper-V refuses that while its machine runs."""
        with self._export(self._vm(machine_id), disk_id) as export:
            yield export

    @contextmanager
    def _export(self, vm: Vm, disk_id: str) -> Iterator[Export]:
        disk = next((d for d in vm.disks if d.id == disk_id), None)
        if disk is None:
            raise StepFailed(
                _("{name} on {host} has no disk {disk} any more.").format(name=vm.name, host=self._name, disk=disk_id)
            )
        reasons = hyperv_rules.blockers(vm)
        if reasons:
            raise StepFailed(_("{name} can't be moved: {reason}").format(name=vm.name, reason="; ".join(reasons)))
        image = self._image(vm, disk)
        with serving.serve(image) as uri:
            yield Export(uri, image.size, lambda: self._image(vm, disk), lambda: self._stamp(vm, disk))

    def _image(self, vm: Vm, disk: VirtualDisk) -> Image:
        image = open_chain([f.path for f in disk.chain], self._files.open)
        if image.size != disk.size:
            image.close()
            raise StepFailed(
                _("{name}: {disk} has {now} bytes in its file, Hyper-V says {then}.").format(
                    name=vm.name, disk=disk.id, now=image.size, then=disk.size
                )
            )
        return image

    def _stamp(self, vm: Vm, disk: VirtualDisk) -> str:
        try:
            return " ".join(self._files.stamp(f.path) for f in disk.chain)
        except OSError as e:
            raise StepFailed(
                _("{file} can't be read: {error}").format(file=f"{vm.name}/{disk.id}", error=e.strerror or e)
            ) from e

    def power(self, machine_id: str) -> Power:
        """Whether the machine runs. A saved or paused one counts as running: its disks are not at rest."""
        found = self._ask(hyperv.STATE, machine_id)
        return _power(str(found[0]["state"]) if found else "")

    def shut_down(self, machine_id: str, *, timeout_s: float, check_stop: Callable[[], None]) -> None:
        """Ask the guest through its shutdown service and wait. Raises StepFailed when it is still on after `timeout_s` seconds."""
        shut_down(
            machine_id,
            power=lambda: self.power(machine_id),
            ask=lambda: self._ask(hyperv.SHUT_DOWN, machine_id),
            timeout_s=timeout_s,
            check_stop=check_stop,
        )

    def start(self, machine_id: str) -> None:
        """Start the machine unless it runs."""
        self._ask(hyperv.START, machine_id, timeout_s=300)


def _power(state: str) -> Power:
    return Power.OFF if state == "Off" else Power.ON


def machine_of(vm: Vm, host: str) -> Machine:
    """The machine (pure)."""
    return Machine(
        id=vm.id,
        name=vm.name,
        vcpus=vm.cpus,
        memory=max(vm.startup, vm.assigned) if vm.dynamic else vm.startup,
        disks=tuple(
            Disk(
                d.id,
                d.size,
                (d.chain[0].format if d.chain else "").lower(),
                "ide" if d.controller == "IDE" else "scsi",
                d.used,
                d.id == vm.boot_disk,
            )
            for d in vm.disks
        ),
        nics=tuple(Nic(n.mac, n.network, "legacy" if n.legacy else "", n.addresses) for n in vm.nics),
        firmware=Firmware.UEFI if vm.generation == 2 else Firmware.BIOS,
        secure_boot=vm.generation == 2 and vm.secure_boot,
        power=_power(vm.state),
        warnings=hyperv_rules.warnings(vm),
        blockers=hyperv_rules.blockers(vm),
        places=(f"hyperv-host:{host}",),
    )
