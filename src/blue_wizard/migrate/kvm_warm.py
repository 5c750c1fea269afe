"""Machines of a KVM host that are read while they run, by libvirt's backups and QEMU's dirty bitmaps.

A point is a backup job in pull mode, whose NBD server shows all disks as they were when it began, and a checkpoint, whose bitmaps
mark what changes from then on. Of a machine that is off it is the images, and the bitmaps in them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from blue_wizard.errors import StepFailed
from blue_wizard.facts import libvirt_backup, qemu_img
from blue_wizard.facts.libvirt_backup import Pull
from blue_wizard.facts.libvirt_xml import Domain, DomainDisk
from blue_wizard.jobs.model import Json
from blue_wizard.migrate import kvm_disks, kvm_inventory
from blue_wizard.migrate.kvm_inventory import Virsh
from blue_wizard.migrate.machine import Power
from blue_wizard.migrate.source import Export
from blue_wizard.migrate.warm.protocol import PointDisk, Terms
from blue_wizard.reach import nbd, ssh
from blue_wizard.text import _

__all__ = ["Rounds"]

# Sockets of points are made here: QEMU, which is another user than root, has to reach it.
_SOCKETS = "/var/tmp"  # noqa: S108
_WITH_BITMAPS = {"qcow2"}
# What libvirt says when it is the tracking of changes that fails, and not the backup.
_TRACKING = re.compile(r"checkpoint|bitmap|snapshot", re.IGNORECASE)
_END_S = 30.0


@dataclass(frozen=True)
class Rounds:
    """Points of the machine `name`."""

    host: ssh.Host
    virsh: Virsh
    name: str

    def terms(self) -> Terms:
        """Root is needed for QEMU's socket, and QCOW2 disks for being told what changes."""
        blockers = []
        if self.host.check(["id", "-u"]).strip() != "0":
            blockers.append(
                _("its points are read by root alone: log in to {host} as root").format(host=self.host.name)
            )
        if self.host.run(["virsh", "help", "backup-begin"]).status != 0:
            blockers.append(_("libvirt on {host} knows no backups").format(host=self.host.name))
        notes = []
        for disk in self._domain().disks:
            if disk.format not in _WITH_BITMAPS:
                text = _("disk {disk} is {format}, in which no changes are tracked: each round reads all of it")
                notes.append(text.format(disk=disk.device, format=disk.format))
        return Terms(tuple(blockers), notes=tuple(notes))

    def begin(self, owner: str, disks: Sequence[str], since: Json | None) -> Json:
        """One backup of all disks with a checkpoint, or without one where libvirt makes none; the images of one that is off."""
        domain = self._domain()
        wanted = {d.device: d for d in domain.disks if d.device in disks}
        self._sweep(owner, keep=_checkpoint(since))
        if self._power() is Power.OFF:
            stamps = {name: kvm_disks.stamp_of(self.host, d.path) for name, d in wanted.items()}
            return {"off": True, "stamps": stamps}
        return self._begin(domain, owner, wanted, since)

    def _begin(self, domain: Domain, owner: str, wanted: dict[str, DomainDisk], since: Json | None) -> Json:
        folder = self._socket_folder(owner)
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
                self.virsh(*argv)
            except StepFailed as e:
                if not checkpoint or not _TRACKING.search(e.message):
                    self._clean(owner, list(scratch.values()))
                    raise
                why |= dict.fromkeys(incremental or checkpoint, _words(e.message))
                if incremental:
                    # A checkpoint that is broken would stand in the way of the next one.
                    self._sweep(owner, keep="", folder=folder)
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

    def _socket_folder(self, owner: str) -> str:
        """A folder that only root and the user of this domain's QEMU can look into."""
        folder = self.host.check(["mktemp", "-d", f"{_SOCKETS}/{owner}.XXXXXXXX"]).strip()
        pid = self.host.check(["cat", f"/run/libvirt/qemu/{self.name}.pid"]).strip()
        status = dict(
            line.split(":\t", 1) for line in self.host.check(["cat", f"/proc/{int(pid)}/status"]).splitlines()
        )
        user, group = (status[k].split()[1] for k in ("Uid", "Gid"))
        self.host.check(["chown", f"{user}:{group}", folder])
        return folder

    def _write(self, path: str, text: str) -> None:
        result = self.host.run(["sh", "-c", 'cat > "$1"', "write", path], stdin=text)
        if result.status != 0:
            raise StepFailed(
                _("{path} on {host} can't be written: {error}").format(
                    path=path, host=self.host.name, error=result.stderr.strip()
                )
            )

    def stands(self, point: Json) -> bool:
        """The backup still runs; of one that is off, the images are as they were."""
        off = self._power() is Power.OFF
        if point.get("off"):
            paths = {d.device: d.path for d in self._domain().disks}
            return off and all(
                n in paths and kvm_disks.stamp_of(self.host, paths[n]) == s for n, s in point["stamps"].items()
            )
        return not off and self._backup() == f"{point['folder']}/socket"

    @contextmanager
    def open(self, point: Json, disk_id: str, since: Json | None) -> Iterator[PointDisk]:
        """The export of the running backup, or the image with its bitmap."""
        disk = kvm_disks.disk_of(self.host, self.virsh, self.name, disk_id)
        if not point.get("off"):
            size, _used = kvm_inventory.size_of(self.virsh, self.name, disk)
            with self.host.forward(f"{point['folder']}/socket") as local:
                uri = nbd.uri_of(local, disk_id)
                told = disk_id in point["told"] and since is not None
                changed = nbd.dirty(uri, libvirt_backup.EXPORT_BITMAP, size) if told else None
                yield PointDisk(Export(uri, size), changed, point["why"].get(disk_id, ""))
            return
        bitmap, why = self._bitmap(disk, since)
        with kvm_disks.export_of(self.host, self.virsh, self.name, disk, bitmap=bitmap) as export:
            changed = nbd.dirty(export.uri, bitmap, export.size) if bitmap else None
            yield PointDisk(export, changed, why)

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
        return libvirt_backup.parse_bitmaps(self.host.check(qemu_img.info_command(disk.path, disk.format)))

    def end(self, owner: str, point: Json) -> None:
        """End the backup; the checkpoint stays, and those before it go."""
        if not point.get("off"):
            self._sweep(owner, keep=point["checkpoint"])

    def forget(self, owner: str) -> None:
        """No backup, no checkpoint, no bitmap, no file of ours."""
        if self.name in self._names():
            self._sweep(owner, keep="")

    def _sweep(self, owner: str, *, keep: str, folder: str = "") -> None:
        """Remove all of ours from a domain but the checkpoint `keep`, and but `folder`."""
        domain = self._domain()
        off = self._power() is Power.OFF
        if not off:
            self._end_backup(owner)
        listed = libvirt_backup.parse_names(self.virsh("checkpoint-list", self.name, "--name"))
        for name in (n for n in listed if n.startswith(f"{owner}.") and n != keep):
            if off:
                self._drop_at_rest(domain, name)
                self.virsh("checkpoint-delete", self.name, name, "--metadata")
                continue
            try:
                self.virsh("checkpoint-delete", self.name, name)
            except StepFailed:
                # Its bitmap went with a QEMU that was killed.
                self.virsh("checkpoint-delete", self.name, name, "--metadata")
        self._clean(owner, [f"{d.path}.{owner}" for d in domain.disks if d.kind == "file"], but=folder)

    def _drop_at_rest(self, domain: Domain, name: str) -> None:
        """Remove a checkpoint's bitmaps from images at rest; whoever tracks since an earlier one loses nothing."""
        parent = libvirt_backup.parse_parent(self.virsh("checkpoint-dumpxml", domain.name, name))
        for disk in domain.disks:
            bitmaps = self._bitmaps(disk) if disk.format in _WITH_BITMAPS else {}
            if name not in bitmaps:
                continue
            if bitmaps[name] and bitmaps.get(parent):
                self.host.check(["qemu-img", "bitmap", "--merge", name, "-f", disk.format, disk.path, parent])
            self.host.check(["qemu-img", "bitmap", "--remove", "-f", disk.format, disk.path, name])

    def _end_backup(self, owner: str) -> None:
        socket = self._backup()
        if not socket:
            return
        if not socket.startswith(f"{_SOCKETS}/{owner}."):
            raise StepFailed(
                _("Another backup of {name} runs on {host}.").format(name=self.name, host=self.host.name),
                _("Wait for its end, and run the job again."),
            )
        self.virsh("domjobabort", self.name)
        end = time.monotonic() + _END_S
        while self._backup():
            if time.monotonic() > end:
                raise StepFailed(_("The backup of {name} does not end.").format(name=self.name))
            time.sleep(0.1)

    def _backup(self) -> str:
        """The socket of the backup that runs; "" when none does."""
        try:
            return libvirt_backup.socket_of(self.virsh("backup-dumpxml", self.name)) or "?"
        except StepFailed:
            return ""

    def _clean(self, owner: str, scratch: Sequence[str], *, but: str = "") -> None:
        script = 'b=$1; p=$2; shift 2; rm -f -- "$@"; for f in "$p".*; do [ "$f" = "$b" ] || rm -rf -- "$f"; done'
        self.host.check(["sh", "-c", script, "clean", but, f"{_SOCKETS}/{owner}", *scratch])

    def _names(self) -> list[str]:
        return libvirt_backup.parse_names(self.virsh("list", "--all", "--name"))

    def _power(self) -> Power:
        return kvm_inventory.power_now(self.virsh, self.name)

    def _domain(self) -> Domain:
        return kvm_inventory.domain_of(self.virsh, self.name)


def _checkpoint(point: Json | None) -> str:
    return str((point or {}).get("checkpoint", ""))


def _words(text: str) -> str:
    return text.strip().splitlines()[-1].rpartition("error: ")[2]
