"""Source `kvm+ssh`: a stand-alone KVM host, through `virsh` and `qemu-nbd` over SSH."""

from __future__ import annotations

import fnmatch
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.facts import libvirt_backup, qemu_img
from blue_wizard.facts.libvirt_backup import Pull
from blue_wizard.facts.libvirt_xml import Domain, DomainDisk
from blue_wizard.jobs.model import Json
from blue_wizard.migrate import kvm_inventory, kvm_rules
from blue_wizard.migrate.extents import Reader
from blue_wizard.migrate.machine import Machine, Power
from blue_wizard.migrate.shutdown import shut_down
from blue_wizard.migrate.sources import Export, source
from blue_wizard.migrate.transfer.nbd_reader import NbdReader
from blue_wizard.migrate.warm.protocol import PointDisk, Terms
from blue_wizard.reach import nbd, ssh
from blue_wizard.reach.remote_nbd import serve_on
from blue_wizard.text import _

__all__ = ["Kvm"]

# Sockets of points are made here: QEMU, which is another user than root, has to reach it.
_SOCKETS = "/var/tmp"  # noqa: S108
_WITH_BITMAPS = {"qcow2"}
# What libvirt says when it is the tracking of changes that fails, and not the backup.
_TRACKING = re.compile(r"checkpoint|bitmap|snapshot", re.IGNORECASE)
_END_S = 30.0


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
        vm, sizes = kvm_inventory.vm_of(self._virsh, name)
        machine = kvm_inventory.machine_of(vm, sizes, {})
        if machine.power is Power.OFF:
            return machine
        return kvm_inventory.machine_of(vm, sizes, kvm_inventory.addresses_of(self._virsh, name))

    def _state(self, name: str) -> Power:
        return kvm_inventory.power_of(self._virsh("domstate", name).strip())

    def _movable(self, name: str) -> Power:
        """Its power. Raises StepFailed when something keeps it from moving by now."""
        vm, _sizes = kvm_inventory.vm_of(self._virsh, name)
        if reasons := kvm_rules.blockers(vm):
            raise StepFailed(_("{name} can't be moved: {reason}").format(name=name, reason="; ".join(reasons)))
        return kvm_inventory.power_of(vm.info.state)

    @contextmanager
    def open_disk(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        """The disk through a `qemu-nbd` on the host and a forwarded socket.

        Raises StepFailed while the domain runs, or cannot be moved.
        """
        if self._movable(machine_id) is not Power.OFF:
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
        with self.open_disk(machine_id, disk_id) as disk, closing(NbdReader(disk.uri, disk.size)) as reader:
            yield reader

    @contextmanager
    def peek_disk(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        """The same for a look at a disk that may be in use: what is read need not be consistent."""
        with self._export(machine_id, disk_id) as export:
            yield export

    @contextmanager
    def _export(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        domain = self._domain(machine_id, "--inactive")
        disk = next((d for d in domain.disks if d.device == disk_id), None)
        if disk is None:
            raise StepFailed(
                _("{name} on {host} has no disk {disk} any more.").format(
                    name=machine_id, host=self._host.name, disk=disk_id
                )
            )
        size, _used = kvm_inventory.size_of(self._virsh, machine_id, disk)
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
        """Ask the guest by its agent, else by ACPI, and wait.

        Raises StepFailed when it is still on after `timeout_s` seconds; and before it is asked when it cannot be moved, since a
        transient domain could not be started again.
        """
        self._movable(machine_id)
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

    # While it runs: a point is a backup job in pull mode, whose NBD server shows all disks as they were when it began, and a
    # checkpoint, whose bitmaps mark what changes from then on. One that is off is its images, and the bitmaps in them.

    def warm_terms(self, machine_id: str) -> Terms:
        """Root is needed for QEMU's socket, and QCOW2 disks for being told what changes."""
        blockers = []
        if self._host.check(["id", "-u"]).strip() != "0":
            blockers.append(
                _("its points are read by root alone: log in to {host} as root").format(host=self._host.name)
            )
        if self._host.run(["virsh", "help", "backup-begin"]).status != 0:
            blockers.append(_("libvirt on {host} knows no backups").format(host=self._host.name))
        notes = []
        for disk in self._domain(machine_id).disks:
            if disk.format not in _WITH_BITMAPS:
                text = _("disk {disk} is {format}, in which no changes are tracked: each round reads all of it")
                notes.append(text.format(disk=disk.device, format=disk.format))
        return Terms(tuple(blockers), notes=tuple(notes))

    def warm_state(self, machine_id: str) -> Json:
        """Nothing is prepared."""
        return None

    def prepare(self, machine_id: str) -> None:
        """Nothing has to be."""

    def begin_point(self, machine_id: str, owner: str, disks: Sequence[str], since: Json | None) -> Json:
        """One backup of all disks with a checkpoint, or without one where libvirt makes none; the images of one that is off."""
        domain = self._domain(machine_id)
        wanted = {d.device: d for d in domain.disks if d.device in disks}
        if self._state(machine_id) is Power.OFF:
            self._sweep(machine_id, owner, keep=_checkpoint(since))
            return {"off": True, "stamps": {name: self._stamp(d.path) for name, d in wanted.items()}}
        self._sweep(machine_id, owner, keep=_checkpoint(since))
        return self._begin(domain, owner, wanted, since)

    def _begin(self, domain: Domain, owner: str, wanted: dict[str, DomainDisk], since: Json | None) -> Json:
        folder = self._socket_folder(domain.name, owner)
        others = [d.device for d in domain.disks if d.device not in wanted]
        tracked = [name for name, d in wanted.items() if d.format in _WITH_BITMAPS]
        told = [name for name in tracked if since and name in since.get("tracked", ())]
        name = f"{owner}.{time.time_ns() // 1_000_000}"
        scratch = {n: f"{d.path}.{owner}" if d.kind == "file" else f"{folder}/{n}" for n, d in wanted.items()}
        why = {
            n: _("a {format} disk has no bitmaps").format(format=d.format)
            for n, d in wanted.items()
            if n not in tracked
        }
        # What can't be had is given up one by one: what has changed, and then the tracking of what will.
        attempts = [(told, tracked)] * bool(told) + [([], tracked)] * bool(tracked) + [([], [])]
        for incremental, checkpoint in attempts:
            pulls = [Pull(n, scratch[n], _checkpoint(since) if n in incremental else "") for n in wanted]
            self._write(f"{folder}/backup.xml", libvirt_backup.backup_xml(f"{folder}/socket", pulls, others))
            argv = ["backup-begin", domain.name, f"{folder}/backup.xml"]
            if checkpoint:
                untracked = [d.device for d in domain.disks if d.device not in checkpoint]
                self._write(f"{folder}/checkpoint.xml", libvirt_backup.checkpoint_xml(name, checkpoint, untracked))
                argv.append(f"{folder}/checkpoint.xml")
            try:
                self._virsh(*argv)
            except StepFailed as e:
                if not checkpoint or not _TRACKING.search(e.message):
                    self._clean(owner, list(scratch.values()))
                    raise
                why |= dict.fromkeys(incremental or checkpoint, _words(e.message))
                if incremental:
                    # A checkpoint that is broken would stand in the way of the next one.
                    self._sweep(domain.name, owner, keep="", folder=folder)
                continue
            return {
                "folder": folder,
                "checkpoint": name if checkpoint else "",
                "tracked": checkpoint,
                "told": incremental,
                "scratch": list(scratch.values()),
                "why": why,
            }
        raise AssertionError("the last attempt returns or raises")

    def _socket_folder(self, machine_id: str, owner: str) -> str:
        """A folder that only root and the user of this domain's QEMU can look into."""
        folder = self._host.check(["mktemp", "-d", f"{_SOCKETS}/{owner}.XXXXXXXX"]).strip()
        pid = self._host.check(["cat", f"/run/libvirt/qemu/{machine_id}.pid"]).strip()
        status = dict(
            line.split(":\t", 1) for line in self._host.check(["cat", f"/proc/{int(pid)}/status"]).splitlines()
        )
        user, group = (status[k].split()[1] for k in ("Uid", "Gid"))
        self._host.check(["chown", f"{user}:{group}", folder])
        return folder

    def _write(self, path: str, text: str) -> None:
        result = self._host.run(["sh", "-c", 'cat > "$1"', "write", path], stdin=text)
        if result.status != 0:
            raise StepFailed(
                _("{path} on {host} can't be written: {error}").format(
                    path=path, host=self._host.name, error=result.stderr.strip()
                )
            )

    def point_stands(self, machine_id: str, point: Json) -> bool:
        """The backup still runs; of one that is off, the images are as they were."""
        off = self._state(machine_id) is Power.OFF
        if point.get("off"):
            paths = {d.device: d.path for d in self._domain(machine_id).disks}
            return off and all(n in paths and self._stamp(paths[n]) == s for n, s in point["stamps"].items())
        return not off and self._backup(machine_id) == f"{point['folder']}/socket"

    @contextmanager
    def open_point(self, machine_id: str, point: Json, disk_id: str, since: Json | None) -> Iterator[PointDisk]:
        """The export of the running backup, or the image with its bitmap."""
        disk = next((d for d in self._domain(machine_id).disks if d.device == disk_id), None)
        if disk is None:
            raise StepFailed(
                _("{name} on {host} has no disk {disk} any more.").format(
                    name=machine_id, host=self._host.name, disk=disk_id
                )
            )
        size, _used = kvm_inventory.size_of(self._virsh, machine_id, disk)
        if not point.get("off"):
            with self._host.forward(f"{point['folder']}/socket") as local:
                uri = nbd.uri_of(local, disk_id)
                told = disk_id in point["told"] and since is not None
                changed = nbd.dirty(uri, libvirt_backup.EXPORT_BITMAP, size) if told else None
                yield PointDisk(Export(uri, size), changed, point["why"].get(disk_id, ""))
            return
        bitmap, why = self._bitmap(disk, since)
        node = nbd.file_node(Path(disk.path), disk.format, device=disk.kind == "block")
        stamp = None if disk.kind == "block" else partial(self._stamp, disk.path)
        with serve_on(self._host, node, disk.path, bitmap=bitmap) as uri:
            changed = nbd.dirty(uri, bitmap, size) if bitmap else None
            yield PointDisk(Export(uri, size, stamp=stamp), changed, why)

    def _bitmap(self, disk: DomainDisk, since: Json | None) -> tuple[str, str]:
        """The bitmap of an image that is at rest with what changed since that point, or "" and why there is none."""
        name = _checkpoint(since)
        if disk.format not in _WITH_BITMAPS:
            return "", _("a {format} disk has no bitmaps").format(format=disk.format)
        if not name or disk.device not in (since or {}).get("tracked", ()):
            return "", _("nothing was tracked since the last point")
        whole = self._bitmaps(disk).get(name)
        if whole is None:
            return "", _("the bitmap is gone: was QEMU killed?")
        return (name, "") if whole else ("", _("the bitmap was not written out: was QEMU killed?"))

    def _bitmaps(self, disk: DomainDisk) -> dict[str, bool]:
        return libvirt_backup.parse_bitmaps(self._host.check(qemu_img.info_command(disk.path, disk.format)))

    def end_point(self, machine_id: str, owner: str, point: Json) -> None:
        """End the backup; the checkpoint stays, and those before it go."""
        if not point.get("off"):
            self._sweep(machine_id, owner, keep=point["checkpoint"])

    def forget(self, machine_id: str, owner: str, was: Json | None) -> None:
        """No backup, no checkpoint, no bitmap, no file of ours."""
        if machine_id in self._names():
            self._sweep(machine_id, owner, keep="")

    def _sweep(self, machine_id: str, owner: str, *, keep: str, folder: str = "") -> None:
        """Remove all of ours from a domain but the checkpoint `keep`, and but `folder`."""
        domain = self._domain(machine_id)
        off = self._state(machine_id) is Power.OFF
        if not off:
            self._end_backup(machine_id, owner)
        listed = libvirt_backup.parse_names(self._virsh("checkpoint-list", machine_id, "--name"))
        for name in (n for n in listed if n.startswith(f"{owner}.") and n != keep):
            if off:
                self._drop_at_rest(domain, name)
                self._virsh("checkpoint-delete", machine_id, name, "--metadata")
                continue
            try:
                self._virsh("checkpoint-delete", machine_id, name)
            except StepFailed:
                # Its bitmap went with a QEMU that was killed.
                self._virsh("checkpoint-delete", machine_id, name, "--metadata")
        self._clean(owner, [f"{d.path}.{owner}" for d in domain.disks if d.kind == "file"], but=folder)

    def _drop_at_rest(self, domain: Domain, name: str) -> None:
        """Remove a checkpoint's bitmaps from images at rest; whoever tracks since an earlier one loses nothing."""
        parent = libvirt_backup.parse_parent(self._virsh("checkpoint-dumpxml", domain.name, name))
        for disk in domain.disks:
            bitmaps = self._bitmaps(disk) if disk.format in _WITH_BITMAPS else {}
            if name not in bitmaps:
                continue
            if bitmaps[name] and bitmaps.get(parent):
                self._host.check(["qemu-img", "bitmap", "--merge", name, "-f", disk.format, disk.path, parent])
            self._host.check(["qemu-img", "bitmap", "--remove", "-f", disk.format, disk.path, name])

    def _end_backup(self, machine_id: str, owner: str) -> None:
        socket = self._backup(machine_id)
        if not socket:
            return
        if not socket.startswith(f"{_SOCKETS}/{owner}."):
            raise StepFailed(
                _("Another backup of {name} runs on {host}.").format(name=machine_id, host=self._host.name),
                _("Wait for its end, and run the job again."),
            )
        self._virsh("domjobabort", machine_id)
        end = time.monotonic() + _END_S
        while self._backup(machine_id):
            if time.monotonic() > end:
                raise StepFailed(_("The backup of {name} does not end.").format(name=machine_id))
            time.sleep(0.1)

    def _backup(self, machine_id: str) -> str:
        """The socket of the backup that runs; "" when none does."""
        try:
            return libvirt_backup.socket_of(self._virsh("backup-dumpxml", machine_id)) or "?"
        except StepFailed:
            return ""

    def _clean(self, owner: str, scratch: Sequence[str], *, but: str = "") -> None:
        script = 'b=$1; p=$2; shift 2; rm -f -- "$@"; for f in "$p".*; do [ "$f" = "$b" ] || rm -rf -- "$f"; done'
        self._host.check(["sh", "-c", script, "clean", but, f"{_SOCKETS}/{owner}", *scratch])

    def _names(self) -> list[str]:
        return libvirt_backup.parse_names(self._virsh("list", "--all", "--name"))

    def _domain(self, machine_id: str, *options: str) -> Domain:
        return kvm_inventory.domain_of(self._virsh, machine_id, *options)


def _checkpoint(point: Json | None) -> str:
    return str((point or {}).get("checkpoint", ""))


def _words(text: str) -> str:
    return text.strip().splitlines()[-1].rpartition("error: ")[2]
