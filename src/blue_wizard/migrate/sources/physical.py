"""Source `physical`: running Linux hosts that are known by SSH alone. See docs/how-to/migrate-physical.md."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from ipaddress import ip_interface
from typing import ClassVar
from urllib.parse import urlsplit

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.facts import linux_host
from blue_wizard.facts.linux_host import HostFacts
from blue_wizard.migrate import physical_hold, physical_rules, serving
from blue_wizard.migrate.convert import Guest
from blue_wizard.migrate.extents import Extent
from blue_wizard.migrate.machine import Disk, Firmware, Machine, Nic, Power
from blue_wizard.migrate.sources import Export, source
from blue_wizard.reach import ssh
from blue_wizard.reach.blocks import BlockDevice
from blue_wizard.text import _

__all__ = ["Physical", "machine_of"]

_LOOKS_AT_ONCE = 16
_LOCK = "/run/blue-wizard.lock"
_BUSES = {"sata": "sata", "ata": "ide", "nvme": "nvme", "virtio": "virtio"}
# What names a disk as it is now: it changes when the host was let go, or started anew, meanwhile.
_STAMP = f'cat /proc/sys/kernel/random/boot_id; stat -c %y {physical_hold.FOLDER}/still; lsblk -dnb -o SIZE "$1"'


@source
class Physical:
    """``physical://[USER@]HOST[:PORT][,HOST ...]``. A machine's id is its host as it stands in the URL.

    A host that is off can't be read, so `shut_down` holds it still instead: its services are stopped and its file systems are
    read-only, and `start` brings both back (see `physical_hold`).
    """

    schemes: ClassVar[tuple[str, ...]] = ("physical",)

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        names = [n for n in parts.netloc.split(",") if n]
        if not names or parts.path not in {"", "/"} or parts.password:
            raise InputError(
                _("{url} is not the URL of physical machines.").format(url=parts._replace(netloc="...").geturl()),
                _("Write physical://user@host, or several hosts separated by commas (with a key, not a password)."),
            )
        self._hosts: dict[str, ssh.Host] = {}
        for name in names:
            one = urlsplit(f"//{name}")
            try:
                port = one.port
            except ValueError:
                port = 0
            if not one.hostname or one.password or port == 0:
                raise InputError(_("{name} is no host.").format(name=name.rpartition("@")[2]))
            self._hosts[name.rpartition("@")[2]] = ssh.host(one.hostname, one.username, port)

    @property
    def target(self) -> str:
        """Machines of one URL are moved beside each other; each has disks and a card of its own."""
        return f"physical:{','.join(self._hosts)}"

    def reachable(self) -> None:
        """Log in everywhere. Raises InputError."""
        for host in self._hosts.values():
            host.run(["true"], timeout_s=20, root=True)

    def _host(self, machine_id: str) -> ssh.Host:
        if machine_id not in self._hosts:
            raise StepFailed(_("The source has no host {name}.").format(name=machine_id))
        return self._hosts[machine_id]

    def discover(self, match: str = "*") -> Iterable[Machine]:
        """The hosts whose name, here or in their own words, matches. Raises InputError for one that can't be reached."""
        with ThreadPoolExecutor(_LOOKS_AT_ONCE) as threads:
            found = list(threads.map(self._facts, self._hosts))
        for name, host in zip(self._hosts, found, strict=True):
            if fnmatch.fnmatch(name, match) or fnmatch.fnmatch(host.hostname, match):
                yield machine_of(name, host, self.power(name))

    def _facts(self, machine_id: str) -> HostFacts:
        text = self._script(machine_id, linux_host.SCRIPT, timeout_s=120)
        try:
            return linux_host.parse(text)
        except (ValueError, KeyError, IndexError) as e:
            raise InputError(
                _("{host} can't be read as a Linux host: {error}").format(host=machine_id, error=e),
                _("It needs util-linux 2.22 or newer, and root (sudo: true under hosts in the configuration)."),
            ) from e

    def _script(self, machine_id: str, script: str, *args: str, timeout_s: float = 60) -> str:
        """Its output; a status other than 0 is for the caller's script to avoid. Raises InputError without root."""
        host = self._host(machine_id)
        done = host.run(
            ["sh", "-c", f'[ "$(id -u)" = 0 ] || exit 77\n{script}', "sh", *args], timeout_s=timeout_s, root=True
        )
        if done.status == 77:
            raise InputError(
                _("{host} has to be reached as root.").format(host=host.name),
                _("Log in as root, or set sudo: true for it under hosts in the configuration."),
            )
        return done.stdout

    def guest(self, machine_id: str) -> Guest:
        """Whether it starts from a virtio disk: the running system says it better than a look at its disk."""
        host = self._facts(machine_id)
        virtio = linux_host.parse_drivers(self._script(machine_id, linux_host.DRIVERS, timeout_s=300))
        unknown = (_("Its initial ramdisk can't be read; nothing is known of its drivers."),) if virtio is None else ()
        return Guest(host.os, virtio, unknown)

    @contextmanager
    def open_disk(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        """The disk by `dd` over SSH. Raises StepFailed unless the host is held still."""
        if self.power(machine_id) is not Power.OFF:
            raise StepFailed(
                _("{name} is not held still: its disks change while they are read.").format(name=machine_id),
                _("Was it started anew? Run the job again, or roll it back."),
            )
        with self._export(machine_id, disk_id, partial(self._stamp, machine_id, disk_id)) as export:
            yield export

    @contextmanager
    def peek_disk(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        """The same for a look at a disk that is in use: what is read need not be consistent."""
        with self._export(machine_id, disk_id, None) as export:
            yield export

    @contextmanager
    def _export(self, machine_id: str, disk_id: str, stamp: Callable[[], str] | None) -> Iterator[Export]:
        host = self._host(machine_id)
        path = f"/dev/{disk_id}"
        size = host.run(["lsblk", "-dnb", "-o", "SIZE", path], root=True)
        if size.status != 0 or not size.stdout.strip().isdigit():
            raise StepFailed(
                _("{name} on {host} has no disk {disk} any more.").format(name=machine_id, host=host.name, disk=disk_id)
            )
        length = int(size.stdout)
        with serving.serve(DiskReader(host, path, length)) as uri:
            yield Export(uri, length, lambda: DiskReader(host, path, length), stamp)

    def _stamp(self, machine_id: str, disk_id: str) -> str:
        return " ".join(self._script(machine_id, _STAMP, f"/dev/{disk_id}").split())

    def power(self, machine_id: str) -> Power:
        """OFF while it is held still; ON else, also when it was started anew since."""
        return Power.OFF if self._script(machine_id, physical_hold.STATE).strip() == "still" else Power.ON

    def shut_down(self, machine_id: str, *, timeout_s: float, check_stop: Callable[[], None]) -> None:
        """Stop its services and make its file systems read-only. Raises StepFailed when that does not come about in time."""
        check_stop()
        host = self._host(machine_id)
        done = host.run(_locked(physical_hold.HOLD), timeout_s=timeout_s, root=True)
        if done.status != 0 or self.power(machine_id) is not Power.OFF:
            raise StepFailed(
                _("{name} could not be held still: {error}").format(
                    name=machine_id, error=done.stderr.strip()[-300:] or done.status
                ),
                _("It is let go again. Stop what still writes there, then run the job again."),
            )

    def start(self, machine_id: str) -> None:
        """Let it go: file systems writable, services running as before. Nothing happens where it is not held."""
        host = self._host(machine_id)
        done = host.run(_locked(physical_hold.RELEASE), timeout_s=600, root=True)
        if done.status != 0:
            raise StepFailed(
                _("{name} could not be let go: {error}").format(
                    name=machine_id, error=done.stderr.strip()[-300:] or done.status
                ),
                _("Start it anew: it comes up as it was."),
            )


def _locked(script: str) -> list[str]:
    # A shell that lost its worker works on: whoever comes next has to wait for its end.
    return ["flock", "-w", "300", _LOCK, "sh", "-c", script]


class DiskReader:
    """A block device as a `Reader`: nothing is known of its holes, so all of it is one extent with data."""

    def __init__(self, host: ssh.Host, path: str, size: int) -> None:
        self._device = BlockDevice(host, path, size)
        self.name = self._device.name
        self.read, self.close = self._device.read, self._device.close

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self._device.size

    def extents(self) -> Iterator[Extent]:
        """The whole disk as one extent."""
        yield Extent(0, self.size, False)

    def spans(self, offset: int, length: int) -> Iterator[Extent]:
        """The range as one extent."""
        yield Extent(offset, length, False)


def machine_of(name: str, host: HostFacts, power: Power) -> Machine:
    """The machine that a host is (pure)."""
    first = ("/boot/efi", "/efi", "/boot", "/") if host.efi else ("/boot", "/")
    start = next((d for d in (host.mounted(p) for p in first) if d), "")
    below = host.below(start) if start else set()
    boot = next((d.name for d in host.disks if d.name in below), "")
    return Machine(
        id=name,
        name=host.hostname or name,
        vcpus=host.cpus,
        memory=host.memory,
        disks=tuple(
            Disk(
                d.name,
                d.size,
                "raw",
                "virtio" if d.name.startswith("vd") else _BUSES.get(d.transport, "scsi"),
                boot=d.name == boot or (not boot and i == 0),
            )
            for i, d in enumerate(host.disks)
        ),
        nics=tuple(Nic(c.mac, c.network, "", tuple(str(ip_interface(a).ip) for a in c.addresses)) for c in host.cards),
        firmware=Firmware.UEFI if host.efi else Firmware.BIOS,
        secure_boot=host.secure_boot,
        power=power,
        os=host.os,
        warnings=physical_rules.warnings(host),
        blockers=physical_rules.blockers(host),
        places=(f"physical-host:{name}",),
    )
