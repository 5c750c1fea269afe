"""Source `vsphere`: a vCenter or an ESXi host, through its API and the HTTPS of its datastores."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

from blue_wizard import masking
from blue_wizard.errors import StepFailed
from blue_wizard.facts.vsphere import PROPERTIES, DrsRule, Vm, VmDisk, parse_rules, parse_vm
from blue_wizard.jobs.model import Json
from blue_wizard.migrate import vmware_rules
from blue_wizard.migrate.extents import Reader
from blue_wizard.migrate.machine import Disk, Firmware, Machine, Nic, Power, Together
from blue_wizard.migrate.metadata import keyed
from blue_wizard.migrate.shutdown import shut_down
from blue_wizard.migrate.sources import Export, source
from blue_wizard.migrate.vmware_reading import FlatReader, Reading, Way
from blue_wizard.migrate.vmware_warm import Rounds
from blue_wizard.migrate.warm.protocol import PointDisk, Terms
from blue_wizard.reach import vddk, vsphere, vsphere_files, vsphere_tags
from blue_wizard.reach.vsphere_access import split
from blue_wizard.text import _

__all__ = ["Vsphere", "attributes_of", "machine_of"]

_PLACES = ("Datastore", "Datacenter", "Folder")
_MACHINE = PROPERTIES["VirtualMachine"]


@source
class Vsphere:
    """``vsphere://USER@HOST[:PORT]/``. A machine's id is its managed object id (``vm-12``), unique where names are not."""

    schemes: ClassVar[tuple[str, ...]] = ("vsphere",)

    def __init__(self, url: str) -> None:
        self._url = url
        self._host, _port, _user = split(url)
        self._ways: dict[tuple[str, VmDisk], Way] = {}

    @property
    def target(self) -> str:
        """All copies from one vCenter or host share its connections."""
        return f"vsphere:{self._host}"

    @cached_property
    def _center(self) -> vsphere.Center:
        return vsphere.connect(self._url)

    def reachable(self) -> None:
        """Log in, or see that the session lives, and that VMware's library is there where it is configured. Raises InputError."""
        self._center.alive()
        settings = self._center.where.settings.vddk
        if settings is not None:
            vddk.look(settings)

    def discover(self, match: str = "*") -> Iterable[Machine]:
        """The machines whose name matches, templates included, with what keeps them from moving."""
        found = self._center.collect(PROPERTIES)
        networks = {
            str(f.props.get("key") or f.props.get("summary", {}).get("opaqueNetworkId")): str(f.props["name"])
            for f in found
            if f.type in {"dvs.DistributedVirtualPortgroup", "OpaqueNetwork"}
        }
        machines = [parse_vm(f.id, f.props, networks) for f in found if f.type == "VirtualMachine"]
        names = {f.id: str(f.props["name"]) for f in found if f.type in {"HostSystem", "Datastore"}}
        rules = [rule for f in found if f.type == "ClusterComputeResource" for rule in _rules(f.props)]
        twins = Counter(vm.bios for vm in machines if vm.bios)
        chosen = sorted((vm for vm in machines if fnmatch.fnmatch(vm.name, match)), key=lambda vm: (vm.name, vm.id))
        tags, problem = self._tags([vm.id for vm in chosen])
        called = self._center.attribute_names() if any(vm.attributes for vm in chosen) else {}
        for vm in chosen:
            more = [problem] if problem else []
            if twins[vm.bios] > 1:
                text = _("another machine has its BIOS UUID ({uuid}): what knows it by that will see two of them")
                more.append(text.format(uuid=vm.bios))
            made = machine_of(vm, names)
            attributes, hidden = masking.open_part(attributes_of(vm, called))
            if hidden:
                text = _("its metadata {names} is not taken along: by its name it is a secret")
                more.append(text.format(names=", ".join(hidden)))
            yield replace(
                made,
                metadata=attributes,
                warnings=(*made.warnings, *more),
                tags=tags.get(vm.id, ()),
                rules=tuple(Together(rule.name, rule.apart) for rule in rules if vm.id in rule.vms),
            )

    def _tags(self, ids: Sequence[str]) -> tuple[Mapping[str, tuple[str, ...]], str]:
        """The tags of machines, or why they are not known: no reason not to move a machine."""
        try:
            return vsphere_tags.tags_of(self._center, ids) if ids else {}, ""
        except StepFailed as e:
            return {}, _("its tags are not known: {error}").format(error=e.message)

    def check(self, machine_id: str, check_stop: Callable[[], None]) -> None:
        """Can its disks be read? Raises InputError or StepFailed naming the disk."""
        vm = self._vm(machine_id)
        for disk in vm.disks if not vmware_rules.blockers(vm) else ():
            check_stop()
            self._way(vm, disk)

    def deaf(self, machine_id: str) -> str:
        """Why nobody in a machine that runs hears a request to shut down; "" when somebody does."""
        vm = self._vm(machine_id)
        if vm.power != "poweredOn" or vm.tools:
            return ""
        return _("VMware Tools do not run in it: shut it down from inside, or consent to switching it off (power_off)")

    def ways(self, machine_id: str) -> Sequence[str]:
        """How each disk is read, and why so. Raises StepFailed."""
        vm = self._vm(machine_id)
        return [f"{disk.label}: {self._way(vm, disk).why}" for disk in vm.disks]

    def _way(self, vm: Vm, disk: VmDisk) -> Way:
        """Looked for once a plan: each look costs some requests."""
        key = (vm.id, disk)
        if key not in self._ways:
            self._ways[key] = self._reading.way(vm, disk, locked=_power(vm.power) is not Power.OFF)
        return self._ways[key]

    @contextmanager
    def open_disk(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        """The disk of a machine that is off. Raises StepFailed while it runs."""
        vm = self._vm(machine_id)
        if _power(vm.power) is not Power.OFF:
            raise StepFailed(
                _("{name} runs on {host}: its disk changes while it is read.").format(name=vm.name, host=self._host),
                _("Shut it down first (--shutdown does it at the cut-over)."),
            )
        with self._reading.open(vm, self._movable(vm, disk_id)) as export:
            yield export

    @contextmanager
    def peek_disk(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        """A look at a disk that may be in use; most hosts refuse that. Raises StepFailed where it is read as a stream."""
        vm = self._vm(machine_id)
        disk = self._movable(vm, disk_id)
        if self._reading.way(vm, disk).streams:
            raise StepFailed(
                _("{name}: {disk} can only be read as a stream, so what is in it can't be looked at.").format(
                    name=vm.name, disk=disk.label
                )
            )
        with self._reading.open(vm, disk) as export:
            yield export

    @contextmanager
    def glance(self, machine_id: str, disk_id: str) -> Iterator[Reader | None]:
        """The disk of a machine that is off, for a few reads; None where it is read as a stream, up to the place that is wanted."""
        vm = self._vm(machine_id)
        disk = self._movable(vm, disk_id)
        url = self._reading.ranges(vm, disk, self._way(vm, disk)) if _power(vm.power) is Power.OFF else ""
        if not url:
            yield None
            return
        with closing(FlatReader(vsphere_files.RemoteFile(self._center, url, connections=1))) as reader:
            yield reader

    def _movable(self, vm: Vm, disk_id: str) -> VmDisk:
        disk = next((d for d in vm.disks if str(d.key) == disk_id), None)
        if disk is None:
            raise StepFailed(
                _("{name} on {host} has no disk {disk} any more.").format(name=vm.name, host=self._host, disk=disk_id)
            )
        reasons = vmware_rules.blockers(vm)
        if reasons:
            raise StepFailed(_("{name} can't be moved: {reason}").format(name=vm.name, reason="; ".join(reasons)))
        return disk

    @cached_property
    def _reading(self) -> Reading:
        return Reading(self._center, self._places, self._center.where.settings)

    @cached_property
    def _places(self) -> Mapping[str, Mapping[str, Any]]:
        found = self._center.collect({name: PROPERTIES[name] for name in _PLACES})
        return {f.id: {**f.props, "datacenter": f.type == "Datacenter"} for f in found}

    def _vm(self, machine_id: str) -> Vm:
        # Names of networks play no part in what is done with one machine.
        return parse_vm(machine_id, self._center.one("VirtualMachine", machine_id, _MACHINE), {})

    def power(self, machine_id: str) -> Power:
        """Whether the machine runs. A suspended one counts as running: its disks are not at rest."""
        return _power(
            str(self._center.one("VirtualMachine", machine_id, ["runtime.powerState"]).get("runtime.powerState"))
        )

    def shut_down(self, machine_id: str, *, timeout_s: float, check_stop: Callable[[], None]) -> None:
        """Ask the guest through VMware Tools and wait. Raises StepFailed when it is still on after `timeout_s` seconds."""
        shut_down(
            machine_id,
            power=lambda: self.power(machine_id),
            ask=lambda: self._center.change("VirtualMachine", machine_id, "ShutdownGuest"),
            timeout_s=timeout_s,
            check_stop=check_stop,
        )

    def start(self, machine_id: str) -> None:
        """Start the machine unless it runs."""
        if self.power(machine_id) is Power.OFF:
            self._center.wait_for(self._center.change("VirtualMachine", machine_id, "PowerOnVM_Task"))

    def cut_power(self, machine_id: str) -> None:
        """Switch the machine off hard; nothing happens when it is off."""
        if self.power(machine_id) is not Power.OFF:
            self._center.wait_for(self._center.change("VirtualMachine", machine_id, "PowerOffVM_Task"))

    # What follows is `migrate.warm.protocol.WarmReading`.

    def _rounds(self, machine_id: str) -> Rounds:
        return Rounds(self._center, self._reading, self._vm(machine_id))

    def warm_terms(self, machine_id: str) -> Terms:
        """On what terms this machine is copied warm."""
        return self._rounds(machine_id).terms()

    def warm_state(self, machine_id: str) -> Json:
        """Whether its changes are tracked now."""
        return {"tracking": self._vm(machine_id).tracking}

    def prepare(self, machine_id: str) -> None:
        """Have its changes tracked."""
        self._rounds(machine_id).prepare()

    def begin_point(self, machine_id: str, owner: str, disks: Sequence[str], since: Json | None) -> Json:
        """One snapshot for all disks; of a machine that is off, its disks as they are."""
        return self._rounds(machine_id).begin(owner, disks, since)

    def point_stands(self, machine_id: str, point: Json) -> bool:
        """Whether the snapshot is still there, or the machine still off."""
        return self._rounds(machine_id).stands(point)

    @contextmanager
    def open_point(self, machine_id: str, point: Json, disk_id: str, since: Json | None) -> Iterator[PointDisk]:
        """One disk as of the point."""
        with self._rounds(machine_id).open(point, disk_id, since) as disk:
            yield disk

    def end_point(self, machine_id: str, owner: str, point: Json) -> None:
        """Remove its snapshot."""
        self._rounds(machine_id).end(owner)

    def forget(self, machine_id: str, owner: str, was: Json | None) -> None:
        """Leave nothing of ours; a machine that is gone has nothing."""
        try:
            rounds = self._rounds(machine_id)
        except vsphere.CenterRefuses as e:
            if e.fault == "ManagedObjectNotFound":
                return
            raise
        rounds.forget(owner, was)


def _rules(props: Mapping[str, Any]) -> list[DrsRule]:
    return parse_rules(props.get("configurationEx") or {})


def _power(state: str) -> Power:
    return {"poweredOff": Power.OFF, "poweredOn": Power.ON, "suspended": Power.ON}.get(state, Power.UNKNOWN)


def attributes_of(vm: Vm, called: Mapping[int, str]) -> dict[str, str]:
    """Custom attributes as metadata; `called` are their names (pure)."""
    return keyed("attribute", ((called.get(key, str(key)), value) for key, value in vm.attributes))


def machine_of(vm: Vm, names: Mapping[str, str]) -> Machine:
    """The machine; `names` are those of hosts and datastores by their ids (pure)."""
    hosts = {f"esxi-host:{names.get(vm.host, vm.host)}"} if vm.host else set()
    stores = {f"datastore:{names.get(d.datastore, d.datastore)}" for d in vm.disks if d.datastore}
    return Machine(
        id=vm.id,
        name=vm.name,
        vcpus=vm.vcpus,
        memory=vm.memory,
        disks=tuple(
            Disk(str(d.key), d.size, "vmdk", d.bus, boot=d.key == vm.boot, store=names.get(d.datastore, d.datastore))
            for d in vm.disks
        ),
        nics=tuple(Nic(n.mac, n.network, n.model, n.addresses) for n in vm.nics),
        firmware=Firmware(vm.firmware),
        secure_boot=vm.secure_boot,
        power=_power(vm.power),
        os=vm.os,
        warnings=vmware_rules.warnings(vm),
        blockers=vmware_rules.blockers(vm),
        places=tuple(sorted(hosts | stores)),
    )
