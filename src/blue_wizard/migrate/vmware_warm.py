"""Machines of vSphere that are read while they run: one snapshot for all disks, and the changed blocks since the one before.

A snapshot lives as long as its round. Its change ids live on in the point, so that the next round can ask what has changed since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from blue_wizard.errors import StepFailed
from blue_wizard.facts.vsphere import PROPERTIES, Snapshot, Vm, VmDisk, parse_disks, parse_vm
from blue_wizard.jobs.model import Json
from blue_wizard.migrate import vmware_rules
from blue_wizard.migrate.vmware_reading import Reading
from blue_wizard.migrate.warm.protocol import PointDisk, Terms
from blue_wizard.reach import vsphere_changes
from blue_wizard.reach.vsphere import Center, CenterRefuses
from blue_wizard.reach.vsphere_changes import EVERYTHING, Untold, same_line
from blue_wizard.text import _

__all__ = ["Rounds", "snapshot_name"]

_NAME = "blue-wizard-"
_TASK_S = 1800.0


def snapshot_name(owner: str) -> str:
    """What a snapshot of a job is called."""
    return f"{_NAME}{owner}"


@dataclass(frozen=True)
class Rounds:
    """Points of one machine, as it was when this was made."""

    center: Center
    reading: Reading
    vm: Vm

    def terms(self) -> Terms:
        """What stands against it, what has to be prepared, and what a person should know."""
        vm = self.vm
        blockers = list(vmware_rules.blockers(vm)) + list(vmware_rules.warm_blockers(vm))
        notes = [] if blockers else self._notes()
        prepare = ""
        if not vm.tracking:
            prepare = _("switch changed block tracking of {name} on (a snapshot comes and goes, to begin it)").format(
                name=vm.name
            )
        return Terms(tuple(blockers), prepare, tuple(notes))

    def _notes(self) -> Iterator[str]:
        for disk in self.vm.disks:
            if self.reading.way(self.vm, disk, locked=True).streams:
                yield _("{disk} can only be read as a stream: each round reads all of it").format(disk=disk.label)

    def prepare(self) -> None:
        """Switch tracking on, and have it begin."""
        if not self.vm.tracking:
            self._track(True)
        if self.vm.power == "poweredOn" and any(not d.change_id for d in self.vm.disks):
            # It begins when the machine has stood still for a moment, and a snapshot makes it do so.
            name = snapshot_name("tracking")
            self._remove(name)
            self._create(name)
            self._remove(name)

    def begin(self, owner: str, disks: Sequence[str], since: Mapping[str, Any] | None = None) -> Json:
        """A point of all disks together. Raises StepFailed for somebody else's snapshot, and for a disk that came after `since`."""
        name = snapshot_name(owner)
        # The old one goes first: each level of a chain costs the guest, and there is a limit to them.
        self._remove(name)
        vm = self.fresh()
        if vm.snapshots:
            raise StepFailed(
                _("{name} has a snapshot that is not ours: {names}.").format(
                    name=vm.name, names=", ".join(s.name for s in vm.snapshots[:3])
                ),
                _("Is a backup running? When it is gone, carry on: blue-wizard job resume ID"),
            )
        if vm.scattered:
            raise StepFailed(
                _("The disks of {name} need consolidation.").format(name=vm.name),
                _("Consolidate them in vCenter, then carry on: blue-wizard job resume ID"),
            )
        _nothing_new(vm, since)
        if vm.power == "poweredOff":
            return _point(None, vm.disks, disks)
        made = self._create(name)
        return _point(made, self._disks_of(made), disks)

    def stands(self, point: Mapping[str, Any]) -> bool:
        """Whether the point can still be read as it was."""
        if point["snapshot"] is None:
            # What the disks hold now is what they held then as long as nothing has started it.
            now = {str(d.key): d.change_id for d in self.vm.disks}
            return (
                self.vm.power == "poweredOff"
                and not self.vm.snapshots
                and all(now.get(key) == id for key, id in point["ids"].items())
            )
        return any(s.id == point["snapshot"] for s in self.vm.snapshots)

    @contextmanager
    def open(self, point: Mapping[str, Any], disk_id: str, since: Mapping[str, Any] | None) -> Iterator[PointDisk]:
        """One disk of a point, and what has changed in it since an earlier one."""
        snapshot = point["snapshot"]
        if snapshot is None and self.vm.power != "poweredOff":
            raise StepFailed(_("{name} was started while it was copied.").format(name=self.vm.name))
        disks = self._disks_of(snapshot) if snapshot else list(self.vm.disks)
        disk = next((d for d in disks if str(d.key) == disk_id), None)
        if disk is None:
            raise StepFailed(
                _("{name} on {host} has no disk {disk} any more.").format(
                    name=self.vm.name, host=self.center.where.host, disk=disk_id
                )
            )
        used, changed, why = None, None, ""
        if since is None:
            # The first copy alone believes this map. Rounds after it compare with what is really read, so a wrong one is found.
            used, _why = self._told(snapshot, disk, point["ids"][disk_id], EVERYTHING)
        else:
            changed, why = self._changed(snapshot, disk, point, since)
        with self.reading.open(self.vm, disk, snapshot=snapshot, used=used) as export:
            yield PointDisk(export, changed, why)

    def _changed(
        self, snapshot: str | None, disk: VmDisk, point: Mapping[str, Any], since: Mapping[str, Any]
    ) -> tuple[list[tuple[int, int]] | None, str]:
        key = str(disk.key)
        before, now = since["ids"].get(key, ""), point["ids"].get(key, "")
        if not before or not now:
            return None, _("{disk}: its changes were not tracked").format(disk=disk.label)
        if not same_line(before, now):
            return None, _("{disk}: its change tracking has begun anew since the last round").format(disk=disk.label)
        if since["sizes"].get(key) != disk.size:
            return None, _("{disk}: its size has changed since the last round").format(disk=disk.label)
        return self._told(snapshot, disk, now, before)

    def _told(
        self, snapshot: str | None, disk: VmDisk, now: str, since: str
    ) -> tuple[list[tuple[int, int]] | None, str]:
        """The areas since a change id; None, and why, when vSphere does not tell."""
        if not now:
            return None, ""
        try:
            return vsphere_changes.ask(self.center, self.vm.id, snapshot, disk.key, since, disk.size), ""
        except CenterRefuses as e:
            return None, _("{disk}: vSphere does not tell its changes ({error})").format(
                disk=disk.label, error=e.message
            )
        except Untold as e:
            return None, _("{disk}: what vSphere tells of its changes makes no sense ({error})").format(
                disk=disk.label, error=e
            )

    def end(self, owner: str) -> None:
        """The snapshot goes."""
        self._remove(snapshot_name(owner))

    def forget(self, owner: str, was: Json | None) -> None:
        """Nothing of ours stays: neither a snapshot, nor tracking that was off before.

        Tracking that somebody else's snapshot holds on to can't be switched off, which is told.
        """
        self._remove(snapshot_name(owner))
        if was is not None and not was["tracking"]:
            self._remove(snapshot_name("tracking"))
            if self.fresh().tracking:
                self._track(False)

    def fresh(self) -> Vm:
        """The machine as it is now."""
        return parse_vm(self.vm.id, self.center.one("VirtualMachine", self.vm.id, PROPERTIES["VirtualMachine"]), {})

    def _disks_of(self, snapshot: str) -> list[VmDisk]:
        found = self.center.one("VirtualMachineSnapshot", snapshot, ["config.hardware"])
        return list(parse_disks(found["config.hardware"].get("device", [])))

    def _create(self, name: str) -> str:
        # Without its memory, and without VSS: what a power failure would leave is what journals are made for.
        said = {"name": name, "description": _("a migration reads from it"), "memory": False, "quiesce": False}
        task = self.center.change("VirtualMachine", self.vm.id, "CreateSnapshot_Task", **said)
        made: str = self.center.wait_for(task, timeout_s=_TASK_S)._moId
        return made

    def _remove(self, name: str) -> None:
        """Every snapshot of this name, and no other."""
        for snapshot in self._ours(name):
            said = {"removeChildren": False, "consolidate": True}
            task = self.center.change("VirtualMachineSnapshot", snapshot.id, "RemoveSnapshot_Task", **said)
            self.center.wait_for(task, timeout_s=_TASK_S)

    def _ours(self, name: str) -> list[Snapshot]:
        return [s for s in self.fresh().snapshots if s.name == name]

    def _track(self, wanted: bool) -> None:
        from pyVmomi import vim

        spec = vim.vm.ConfigSpec(changeTrackingEnabled=wanted)
        self.center.wait_for(self.center.change("VirtualMachine", self.vm.id, "ReconfigVM_Task", spec=spec))


def _point(snapshot: str | None, disks: Sequence[VmDisk], wanted: Sequence[str]) -> dict[str, Any]:
    ours = [d for d in disks if str(d.key) in set(wanted)]
    return {
        "snapshot": snapshot,
        "ids": {str(d.key): d.change_id for d in ours},
        "sizes": {str(d.key): d.size for d in ours},
        "all": sorted(str(d.key) for d in disks),
    }


def _nothing_new(vm: Vm, since: Mapping[str, Any] | None) -> None:
    """Raise StepFailed for a disk that nobody has planned for: the guest may have spread a file system over it."""
    known = set((since or {}).get("all", ()))
    new = [d.label for d in vm.disks if str(d.key) not in known] if known else []
    if new:
        raise StepFailed(
            _("{name} has got another disk since its copy began: {disks}.").format(name=vm.name, disks=", ".join(new)),
            _("Plan again: blue-wizard migrate plan"),
        )
