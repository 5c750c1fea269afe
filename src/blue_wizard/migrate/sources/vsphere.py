"""Source `vsphere`: a vCenter or an ESXi host, through its API and the HTTPS of its datastores."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, ClassVar

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.facts import vmdk
from blue_wizard.facts.vsphere import PROPERTIES, Vm, VmDisk, datacenter_path, parse_vm, split_path
from blue_wizard.migrate import vmware_rules
from blue_wizard.migrate.extents import Extent
from blue_wizard.migrate.machine import Disk, Firmware, Machine, Nic, Power
from blue_wizard.migrate.shutdown import shut_down
from blue_wizard.migrate.sources import Export, source
from blue_wizard.reach import vsphere, vsphere_files
from blue_wizard.reach.vsphere_access import split
from blue_wizard.text import _

__all__ = ["Vsphere", "machine_of"]

_LONGEST_DESCRIPTOR = 1 << 16
_PLAIN = {"VMFS", "FLAT"}
_PLACES = ("Datastore", "Datacenter", "Folder")
_MACHINE = PROPERTIES["VirtualMachine"]


@source
class Vsphere:
    """``vsphere://USER@HOST[:PORT]/``. A machine's id is its managed object id (``vm-12``), unique where names are not."""

    schemes: ClassVar[tuple[str, ...]] = ("vsphere",)

    def __init__(self, url: str) -> None:
        self._url = url
        self._host, _port, _user = split(url)

    @property
    def target(self) -> str:
        """All copies from one vCenter or host share its connections."""
        return f"vsphere:{self._host}"

    @cached_property
    def _center(self) -> vsphere.Center:
        return vsphere.connect(self._url)

    def reachable(self) -> None:
        """Log in, or see that the session lives. Raises InputError."""
        self._center.alive()

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
        for vm in sorted(machines, key=lambda vm: (vm.name, vm.id)):
            if fnmatch.fnmatch(vm.name, match):
                yield machine_of(vm, names)

    def check(self, machine_id: str, check_stop: Callable[[], None]) -> None:
        """Can it be shut down, and can its disks be read? Raises InputError or StepFailed naming the disk."""
        vm = self._vm(machine_id)
        if vm.power == "poweredOn" and not vm.tools:
            raise InputError(
                _("{name} runs, and VMware Tools do not run in it: it can't be shut down cleanly.").format(
                    name=vm.name
                ),
                _("Shut it down from inside, then run again."),
            )
        for disk in vm.disks if not vmware_rules.blockers(vm) else ():
            check_stop()
            self._flat(vm, disk)

    @contextmanager
    def open_disk(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        """The disk's flat file over HTTPS. Raises StepFailed while the machine runs."""
        vm = self._vm(machine_id)
        if _power(vm.power) is not Power.OFF:
            raise StepFailed(
                _("{name} runs on {host}: its disk changes while it is read.").format(name=vm.name, host=self._host),
                _("Shut it down first (--shutdown does it at the cut-over)."),
            )
        with self._export(vm, disk_id) as export:
            yield export

    @contextmanager
    def peek_disk(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        """The same for a look at a disk that may be in use; most hosts refuse that."""
        with self._export(self._vm(machine_id), disk_id) as export:
            yield export

    @contextmanager
    def _export(self, vm: Vm, disk_id: str) -> Iterator[Export]:
        disk = next((d for d in vm.disks if str(d.key) == disk_id), None)
        if disk is None:
            raise StepFailed(
                _("{name} on {host} has no disk {disk} any more.").format(name=vm.name, host=self._host, disk=disk_id)
            )
        reasons = vmware_rules.blockers(vm)
        if reasons:
            raise StepFailed(_("{name} can't be moved: {reason}").format(name=vm.name, reason="; ".join(reasons)))
        url = self._flat(vm, disk)
        with vsphere_files.serve(self._center, url) as uri:
            yield Export(uri, disk.size, lambda: FlatReader(vsphere_files.RemoteFile(self._center, url)))

    def _flat(self, vm: Vm, disk: VmDisk) -> str:
        """Where the disk's content is read, once it is known to be one plain file of the right size that can be read."""
        datastore, path = split_path(disk.file)
        datacenter = datacenter_path(disk.datastore, self._places)
        descriptor = vsphere_files.RemoteFile(
            self._center, vsphere_files.url_of(self._center, datacenter, datastore, path), connections=1
        )
        try:
            extents = vmdk.parse(descriptor.text(_LONGEST_DESCRIPTOR))
        except ValueError as e:
            raise StepFailed(_("{name}: {disk} has no readable descriptor: {error}").format(
                name=vm.name, disk=disk.label, error=e
            )) from e  # fmt: skip
        finally:
            descriptor.close()
        if len(extents) != 1 or extents[0].kind not in _PLAIN or "/" in extents[0].file or extents[0].offset:
            raise StepFailed(
                _("{name}: {disk} is not one plain file on its datastore ({kind}).").format(
                    name=vm.name, disk=disk.label, kind=", ".join(f"{e.kind} {e.file}" for e in extents[:3])
                ),
                _("Export the machine as an OVA, and migrate that."),
            )
        folder = path.rpartition("/")[0]
        flat = f"{folder}/{extents[0].file}" if folder else extents[0].file
        url = vsphere_files.url_of(self._center, datacenter, datastore, flat)
        file = vsphere_files.RemoteFile(self._center, url, connections=1)
        file.close()
        if not file.size == extents[0].size == disk.size:
            raise StepFailed(
                _("{name}: {disk} has {now} bytes on its datastore, its settings say {then}.").format(
                    name=vm.name, disk=disk.label, now=file.size, then=disk.size
                ),
                _("Consolidate its disks in vCenter, then plan again."),
            )
        return url

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


class FlatReader:
    """A flat file as a `Reader`: nothing is known of its holes, so all of it is one extent with data."""

    def __init__(self, file: vsphere_files.RemoteFile) -> None:
        self._file = file

    @property
    def size(self) -> int:
        """The virtual size in bytes."""
        return self._file.size

    def extents(self) -> Iterator[Extent]:
        """The whole disk as one extent."""
        yield Extent(0, self.size, False)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes. Raises StepFailed when they can't be had."""
        return self._file.read(offset, length)

    def stamp(self) -> str:
        """Whether the file was written to or replaced, when it is asked again."""
        return self._file.stamp()

    def close(self) -> None:
        """Close its connections."""
        self._file.close()


def _power(state: str) -> Power:
    return {"poweredOff": Power.OFF, "poweredOn": Power.ON, "suspended": Power.ON}.get(state, Power.UNKNOWN)


def machine_of(vm: Vm, names: Mapping[str, str]) -> Machine:
    """The machine; `names` are those of hosts and datastores by their ids (pure)."""
    hosts = {f"esxi-host:{names.get(vm.host, vm.host)}"} if vm.host else set()
    stores = {f"datastore:{names.get(d.datastore, d.datastore)}" for d in vm.disks if d.datastore}
    return Machine(
        id=vm.id,
        name=vm.name,
        vcpus=vm.vcpus,
        memory=vm.memory,
        disks=tuple(Disk(str(d.key), d.size, "vmdk", d.bus, boot=d.key == vm.boot) for d in vm.disks),
        nics=tuple(Nic(n.mac, n.network, n.model, n.addresses) for n in vm.nics),
        firmware=Firmware(vm.firmware),
        secure_boot=vm.secure_boot,
        power=_power(vm.power),
        os=vm.os,
        warnings=vmware_rules.warnings(vm),
        blockers=vmware_rules.blockers(vm),
        places=tuple(sorted(hosts | stores)),
    )
