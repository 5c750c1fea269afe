"""Source `physical`: running Linux hosts that are known by SSH alone. See docs/how-to/migrate-physical.md."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from ipaddress import ip_interface
from typing import ClassVar, TypeVar
from urllib.parse import urlsplit

from blue_wizard.errors import BlueWizardError, InputError, StepFailed
from blue_wizard.facts import linux_host
from blue_wizard.facts.linux_host import Block, HostFacts
from blue_wizard.jobs.model import Json
from blue_wizard.migrate import physical_disks, physical_hold, physical_points, physical_rules, serving
from blue_wizard.migrate.convert import Guest
from blue_wizard.migrate.extents import Extent, Reader
from blue_wizard.migrate.machine import Disk, Firmware, Machine, Nic, Power
from blue_wizard.migrate.physical_disks import KnownDisk
from blue_wizard.migrate.sources import Export, source
from blue_wizard.migrate.warm.protocol import PointDisk, Terms
from blue_wizard.reach import ssh
from blue_wizard.reach.blocks import BlockDevice, Piece
from blue_wizard.text import _

__all__ = ["Physical", "machine_of"]

_LOOKS_AT_ONCE = 16
_LOCK = "/run/blue-wizard.lock"
_BUSES = {"sata": "sata", "ata": "ide", "nvme": "nvme", "virtio": "virtio"}
# What names a disk as it is now: it changes when the host was let go, or started anew, meanwhile.
_STAMP = f'cat /proc/sys/kernel/random/boot_id; stat -c %y {physical_hold.FOLDER}/still; lsblk -dnb -o SIZE "$1"'
_Facts = TypeVar("_Facts")


@source
class Physical:
    """``physical://[USER@]HOST[:PORT][,HOST ...]``. A machine's id is its host as it stands in the URL.

    A host that is off can't be read, so `shut_down` holds it still instead: its services are stopped and its file systems are
    read-only, and `start` brings both back (see `physical_hold`).
    """

    schemes: ClassVar[tuple[str, ...]] = ("physical",)
    holds_still: ClassVar[bool] = True
    """`shut_down` does not switch a machine off: plans say so."""

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
        """The hosts whose name, here or in their own words, matches.

        One that can't be reached is among them, with the reason: one that has moved is switched off, and the others still wait.
        """
        with ThreadPoolExecutor(_LOOKS_AT_ONCE) as threads:
            found = list(threads.map(self._look, self._hosts))
        for name, machine in zip(self._hosts, found, strict=True):
            if fnmatch.fnmatch(name, match) or fnmatch.fnmatch(machine.name, match):
                yield machine

    def _look(self, name: str) -> Machine:
        try:
            return machine_of(name, self._facts(name), self.power(name))
        except BlueWizardError as e:
            return Machine.unknown(name, name, e.message)

    def _facts(self, machine_id: str) -> HostFacts:
        return self._parsed(machine_id, linux_host.SCRIPT, linux_host.parse)

    def ways(self, machine_id: str) -> Sequence[str]:
        """What each disk is known by. Raises InputError."""
        return [physical_disks.told(d) for d in physical_disks.known(self._disks(machine_id))]

    def _disk(self, machine_id: str, disk_id: str) -> KnownDisk:
        """The disk that a plan calls so, as it is now. Raises StepFailed when it is gone, or can't be told from another."""
        return physical_disks.find(self._disks(machine_id), machine_id, disk_id)

    def _disks(self, machine_id: str) -> tuple[Block, ...]:
        return self._parsed(machine_id, linux_host.DISKS, linux_host.parse_disks)

    def _parsed(self, machine_id: str, script: str, parse: Callable[[str], _Facts]) -> _Facts:
        text = self._script(machine_id, script, timeout_s=300)
        try:
            return parse(text)
        except (ValueError, KeyError, IndexError) as e:
            raise InputError(
                _("{host} can't be read as a Linux host: {error}").format(host=machine_id, error=e),
                _("It needs util-linux 2.22 or newer, and root (sudo: true under hosts in the configuration)."),
            ) from e

    def _script(self, machine_id: str, script: str, *args: str, timeout_s: float = 180) -> str:
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
        disk = self._disk(machine_id, disk_id)
        with self._export(machine_id, disk, partial(self._stamp, machine_id, disk_id)) as export:
            yield export

    @contextmanager
    def peek_disk(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        """The same for a look at a disk that is in use: what is read need not be consistent."""
        with self._export(machine_id, self._disk(machine_id, disk_id), None) as export:
            yield export

    @contextmanager
    def _export(
        self,
        machine_id: str,
        disk: KnownDisk,
        stamp: Callable[[], str] | None,
        *,
        pieces: Sequence[Piece] = (),
        live: bool = False,
    ) -> Iterator[Export]:
        host, path, length = self._host(machine_id), disk.path, disk.block.size

        def reader() -> Reader:
            plain = DiskReader(host, path, length, pieces)
            return physical_points.SpooledReader(plain) if live else plain

        with serving.serve(DiskReader(host, path, length, pieces)) as uri:
            yield Export(uri, length, reader, stamp)

    def _stamp(self, machine_id: str, disk_id: str) -> str:
        return " ".join(self._script(machine_id, _STAMP, self._disk(machine_id, disk_id).path).split())

    def warm_terms(self, machine_id: str) -> Terms:
        """What is read from snapshots, and what is not. Nothing has to be prepared."""
        host = self._facts(machine_id)
        disks = {d.block.name: d.title for d in physical_disks.known(host.disks)}
        made = physical_points.snapshots(host, list(disks), "x")
        notes = [_("no host keeps a record of what changes: each round after the first compares all of its disks")]
        notes += [
            _("{disk}: {points} are read from snapshots of LVM").format(
                disk=title, points=", ".join(f"{s.group}/{s.volume}" for s in mine)
            )
            for disk, title in disks.items()
            if (
                mine := [
                    s for s in made if any(p.path.endswith(s.name) for p in physical_points.pieces(host, disk, [s]))
                ]
            )
        ]
        notes += [
            _("{disk}: {points} have no snapshot; what is read of them while it runs is of no one moment").format(
                disk=title, points=", ".join(points)
            )
            for disk, title in disks.items()
            if (points := physical_points.uncovered(host, disk, made))
        ]
        return Terms(notes=tuple(notes))

    def warm_state(self, machine_id: str) -> Json:
        """Nothing is prepared, so there is nothing to put back."""
        return None

    def prepare(self, machine_id: str) -> None:
        """Nothing."""

    def begin_point(self, machine_id: str, owner: str, disks: Sequence[str], since: Json | None) -> Json:
        """Snapshots where there can be some; with the machine held still, nothing. A dead attempt's are removed first."""
        self.forget(machine_id, owner, None)
        if self.power(machine_id) is Power.OFF:
            return {"held": self._held(machine_id)}
        host = self._facts(machine_id)
        names = [physical_disks.find(host.disks, machine_id, d).block.name for d in disks]
        made = physical_points.snapshots(host, names, owner)
        # One after the other as fast as it goes: each is of one moment, all of them together nearly so.
        script = "sync\n" + "".join(
            f"lvcreate -q -y -s -n {s.name} -L {s.size}b {s.group}/{s.volume} >&2 || exit 0\n" for s in made
        )
        self._script(machine_id, script, timeout_s=300)
        point = {"boot": self._boot(machine_id), "snapshots": [[s.group, s.volume, s.name, s.size] for s in made]}
        if not self.point_stands(machine_id, point):
            self.forget(machine_id, owner, None)
            raise StepFailed(
                _("{name}: its snapshots could not be made.").format(name=machine_id),
                _("Look at its volume groups: lvs, vgs"),
            )
        return point

    def point_stands(self, machine_id: str, point: Json) -> bool:
        """Is it still held, or are all snapshots there and not overrun?"""
        if "held" in point:
            return bool(self._held(machine_id) == point["held"])
        if self._boot(machine_id) != point["boot"]:
            return False
        text = self._script(machine_id, "lvs --noheadings --separator '|' -o lv_name,lv_attr 2>/dev/null")
        rows = dict(line.strip().split("|") for line in text.splitlines() if "|" in line)
        # The fifth letter is I for a snapshot that had no room for what was overwritten.
        return all(rows.get(s[2], "----I")[4:5] == "a" for s in point["snapshots"])

    @contextmanager
    def open_point(self, machine_id: str, point: Json, disk_id: str, since: Json | None) -> Iterator[PointDisk]:
        """The disk, its snapshots laid over it."""
        why = _("no host keeps a record of what changes")
        if "held" in point:
            with self.open_disk(machine_id, disk_id) as export:
                yield PointDisk(export, why=why)
            return
        host = self._facts(machine_id)
        disk = physical_disks.find(host.disks, machine_id, disk_id)
        made = [physical_points.Snapshot(*s) for s in point["snapshots"]]
        found = physical_points.pieces(host, disk.block.name, made)
        live = bool(physical_points.uncovered(host, disk.block.name, made))
        with self._export(machine_id, disk, None, pieces=found, live=live) as export:
            yield PointDisk(export, why=why)

    def end_point(self, machine_id: str, owner: str, point: Json) -> None:
        """The snapshots go."""
        self.forget(machine_id, owner, None)

    def forget(self, machine_id: str, owner: str, was: Json | None) -> None:
        """No snapshot of `owner` is left."""
        name = re.escape(f"{physical_points.PREFIX}.{owner}.")
        script = (
            "command -v lvs >/dev/null || exit 0\n"
            "lvs --noheadings --separator / -o vg_name,lv_name 2>/dev/null | sed 's/^ *//' | "
            f'grep -E \'/{name}\' | while read -r lv; do lvremove -q -f "$lv" </dev/null >&2 || echo "$lv"; done'
        )
        left = self._script(machine_id, script, timeout_s=300).split()
        if left:
            raise StepFailed(
                _("{name}: these snapshots could not be removed: {names}").format(
                    name=machine_id, names=", ".join(left)
                ),
                _("Remove them there: lvremove"),
            )

    def _boot(self, machine_id: str) -> str:
        return self._script(machine_id, "cat /proc/sys/kernel/random/boot_id").strip()

    def _held(self, machine_id: str) -> str:
        """What names this time of being held; "" when it is not."""
        if self.power(machine_id) is not Power.OFF:
            return ""
        return self._script(
            machine_id, f"stat -c %y {physical_hold.FOLDER}/still; cat /proc/sys/kernel/random/boot_id"
        ).strip()

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

    def __init__(self, host: ssh.Host, path: str, size: int, pieces: Sequence[Piece] = ()) -> None:
        self._device = BlockDevice(host, path, size, pieces=pieces)
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
                k.id,
                k.block.size,
                "raw",
                "virtio" if k.block.name.startswith("vd") else _BUSES.get(k.block.transport, "scsi"),
                boot=k.block.name == boot or (not boot and i == 0),
                named="" if k.id == k.block.name else k.block.name,
            )
            for i, k in enumerate(physical_disks.known(host.disks))
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
