"""Ways to read a disk of vSphere: by VMware's library, in ranges from its datastore, or as a stream by export lease.

The first that works is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, BinaryIO

from blue_wizard import config
from blue_wizard.errors import BlueWizardError, StepFailed
from blue_wizard.facts import vmdk_descriptor
from blue_wizard.facts.vddk import Plugin
from blue_wizard.facts.vsphere import Vm, VmDisk, datacenter_path, split_path
from blue_wizard.migrate.extents import Extent, Reader
from blue_wizard.migrate.source import Export
from blue_wizard.migrate.stream_reader import StreamReader
from blue_wizard.migrate.transfer.nbd_reader import NbdReader
from blue_wizard.migrate.vddk_reader import VddkReader
from blue_wizard.reach import vddk, vsphere, vsphere_files, vsphere_lease
from blue_wizard.reach.vsphere_files import FileRefused, NoPlainFile
from blue_wizard.text import _

__all__ = ["FlatReader", "Reading", "Way", "used_extents"]

_LONGEST_DESCRIPTOR = 1 << 16
_NOT_BY_LIBRARY = {"https", "lease"}
_PLAIN = {"VMFS", "FLAT"}


@dataclass(frozen=True)
class Way:
    """How a disk is read: by VMware's library (`library`), in ranges of `url`, or by lease where there is neither.

    `why` says it in words.
    """

    url: str
    why: str
    library: bool = False

    @property
    def streams(self) -> bool:
        """Whether it is read from its beginning to its end only."""
        return not (self.url or self.library)


class Reading:
    """Opens disks of one vCenter or host. `places` are its folders, datacenters and datastores; `settings` are the
    configuration's."""

    def __init__(
        self, center: vsphere.Center, places: Mapping[str, Mapping[str, Any]], settings: config.SourceConfig
    ) -> None:
        self._center, self._places, self._prefer = center, places, settings.read
        self._vddk = None if settings.read in _NOT_BY_LIBRARY else settings.vddk
        self._withheld: set[tuple[str, int]] = set()
        self._tried: dict[str, BlueWizardError | None] = {}

    def way(self, vm: Vm, disk: VmDisk, *, locked: bool = False) -> Way:
        """The way that is taken. `locked`: its host has it open, so only its descriptor is looked at. Raises BlueWizardError."""
        if self._vddk is None:
            return self._without(vm, disk, locked)
        try:
            return Way("", self._by_library(vm, disk, self._vddk), library=True)
        except BlueWizardError as e:
            if self._prefer == "vddk":
                raise
            way = self._without(vm, disk, locked)
            return replace(way, why=way.why + " " + _("(not by VDDK: {reason})").format(reason=e.message))

    def _without(self, vm: Vm, disk: VmDisk, locked: bool) -> Way:
        """The way that is taken without the library. Raises StepFailed."""
        if self._prefer == "lease":
            return Way("", _("by export lease (NFC), as the configuration says"))
        try:
            url = self._flat(vm, disk, locked)
        except NoPlainFile as e:
            if self._prefer == "https":
                raise
            return Way("", _("by export lease (NFC), because: {reason}").format(reason=e.message))
        return Way(url, _("in ranges from its datastore by HTTPS, on several connections"))

    def _by_library(self, vm: Vm, disk: VmDisk, settings: config.VddkConfig) -> str:
        """In words, how the library reads it. One disk of each host is opened, of a machine that is off. Raises BlueWizardError."""
        found = self._library
        if isinstance(found, BlueWizardError):
            raise found
        if vm.power == "poweredOff":
            self._try(vm, disk, settings)
        use = (
            _("which tells what is in use")
            if found.tells_use
            else _("which does not tell what is in use, so all of it is read")
        )
        return _("by VDDK {version} ({transports}, {count} sessions with its ESXi host), {use}").format(
            version=found.version, transports=settings.transports, count=settings.connections, use=use
        )

    @cached_property
    def _library(self) -> Plugin | BlueWizardError:
        assert self._vddk is not None
        try:
            return vddk.look(self._vddk)
        except BlueWizardError as e:
            return e

    def _try(self, vm: Vm, disk: VmDisk, settings: config.VddkConfig) -> None:
        # A closed port or an unknown name of a host is the same for all its disks, and to find that out takes long.
        if vm.host not in self._tried:
            try:
                with vddk.serve(self._center, settings, vddk.Place(vm.id, disk.file)):
                    self._tried[vm.host] = None
            except vddk.Unreadable:
                raise
            except BlueWizardError as e:
                self._tried[vm.host] = e
        error = self._tried[vm.host]
        if error is not None:
            raise error

    def _stamp_of(self, vm: Vm, disk: VmDisk) -> Callable[[], str] | None:
        """What tells of writes to the disk of a machine that is off, where its file is seen: the library does not tell."""
        url = self._seen(vm, disk)

        def stamp() -> str:
            with closing(vsphere_files.RemoteFile(self._center, url, connections=1)) as file:
                return file.stamp()

        return stamp if url else None

    def ranges(self, vm: Vm, disk: VmDisk, way: Way) -> str:
        """Where a few bytes of a disk are read at little cost, "" where they are not."""
        return self._seen(vm, disk) if way.library else way.url

    def _seen(self, vm: Vm, disk: VmDisk) -> str:
        try:
            return self._flat(vm, disk, False)
        except StepFailed:
            return ""

    @contextmanager
    def open(
        self, vm: Vm, disk: VmDisk, *, snapshot: str | None = None, used: Sequence[tuple[int, int]] | None = None
    ) -> Iterator[Export]:
        """A disk that stands still: of a machine that is off, or of a snapshot. `used` are the areas in use, where known."""
        extents = None if used is None else used_extents(used, disk.size)
        with ExitStack() as library:
            serving = self._served(library, vm, disk, snapshot)
            if serving is not None:
                reader = self._reader_of(vm, disk, serving, extents)
                yield Export(serving.uri, disk.size, reader, None if snapshot else self._stamp_of(vm, disk))
                return
        way = self._way_into(vm, disk, snapshot)
        if way.url:
            url = way.url
            with vsphere_files.serve(self._center, url) as uri:
                yield Export(uri, disk.size, lambda: FlatReader(vsphere_files.RemoteFile(self._center, url), extents))
            return
        of = ("VirtualMachineSnapshot", snapshot) if snapshot else ("VirtualMachine", vm.id)
        with ExitStack() as stack:
            # A lease that has died with its session is no use to the next attempt: each has one of its own.
            holder = _Holder(self._center, of, vm, disk, stack)
            holder.lease()
            name = f"{vm.name}/{disk.label}"
            yield Export(
                "",
                disk.size,
                lambda: StreamReader(holder.open, disk.size, name, used=extents, told=holder.told),
            )

    def _served(self, stack: ExitStack, vm: Vm, disk: VmDisk, snapshot: str | None) -> vddk.Serving | None:
        """The disk, opened by the library; None where another way is to be taken. Raises BlueWizardError where there is none."""
        if self._vddk is None:
            return None
        try:
            if isinstance(self._library, BlueWizardError):
                raise self._library
            return stack.enter_context(
                vddk.serve(self._center, self._vddk, vddk.Place(vm.id, disk.file, snapshot or ""))
            )
        except BlueWizardError:
            if self._prefer == "vddk":
                raise
            return None

    def _reader_of(
        self, vm: Vm, disk: VmDisk, serving: vddk.Serving, extents: Sequence[Extent] | None
    ) -> Callable[[], Reader]:
        assert self._vddk is not None
        name, connections = f"{vm.name}/{disk.label}", self._vddk.connections

        def make() -> Reader:
            reader = NbdReader(serving.uri, disk.size, name=name, connections=connections)
            return VddkReader(reader, serving.cause, extents)

        return make

    def _way_into(self, vm: Vm, disk: VmDisk, snapshot: str | None) -> Way:
        """The way that works now: a host may keep the base file of a running machine to itself, which is no matter for a lease."""
        exported = Way("", _("by export lease (NFC), because its host keeps the file to itself while the machine runs"))
        if snapshot and (vm.id, disk.key) in self._withheld:
            return exported
        try:
            return self._without(vm, disk, False)
        except FileRefused:
            if not snapshot or self._prefer == "https":
                raise
            self._withheld.add((vm.id, disk.key))
            return exported

    def _flat(self, vm: Vm, disk: VmDisk, locked: bool) -> str:
        """Where the disk's content is read, once it is known to be one plain file of the right size that can be read."""
        datastore, path = split_path(disk.file)
        datacenter = datacenter_path(disk.datastore, self._places)
        descriptor = vsphere_files.RemoteFile(
            self._center, vsphere_files.url_of(self._center, datacenter, datastore, path), connections=1
        )
        try:
            extents = vmdk_descriptor.parse(descriptor.text(_LONGEST_DESCRIPTOR))
        finally:
            descriptor.close()
        if not extents:
            raise StepFailed(
                _("{name}: {disk} has no readable descriptor.").format(name=vm.name, disk=disk.label),
                _("Look at the file in the datastore's browser: {file}").format(file=disk.file),
            )
        if len(extents) != 1 or extents[0].kind not in _PLAIN or "/" in extents[0].file or extents[0].offset:
            raise NoPlainFile(
                _("{name}: {disk} is not one plain file on its datastore ({kind}).").format(
                    name=vm.name, disk=disk.label, kind=", ".join(f"{e.kind} {e.file}" for e in extents[:3])
                ),
                _("Export the machine as an OVA, and migrate that."),
            )
        folder = path.rpartition("/")[0]
        flat = f"{folder}/{extents[0].file}" if folder else extents[0].file
        url = vsphere_files.url_of(self._center, datacenter, datastore, flat)
        if locked:
            return url
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


class _Holder:
    """The lease of one disk, which is asked for again when it has ended before its time."""

    def __init__(self, center: vsphere.Center, of: tuple[str, str], vm: Vm, disk: VmDisk, stack: ExitStack) -> None:
        self._center, self._of, self._vm, self._disk, self._outer = center, of, vm, disk, stack
        self._stack: ExitStack | None = None
        self._lease: vsphere_lease.Lease | None = None
        stack.callback(self._drop)

    def lease(self) -> vsphere_lease.Lease:
        if self._lease is None or self._lease.ended():
            self._drop()
            self._stack = ExitStack()
            self._lease = self._stack.enter_context(vsphere_lease.shared(self._center, *self._of))
        return self._lease

    def _drop(self) -> None:
        stack, self._stack, self._lease = self._stack, None, None
        if stack is not None:
            stack.close()

    def open(self) -> AbstractContextManager[BinaryIO]:
        lease = self.lease()
        return vsphere_lease.opened(lease, lease.stream(self._disk.place, [d.place for d in self._vm.disks]))

    def told(self, percent: int) -> None:
        if self._lease is not None:
            self._lease.told(percent)


def used_extents(used: Sequence[tuple[int, int]], size: int) -> list[Extent]:
    """The map of a disk of which only the areas (offset, length) are in use: what lies between reads as zeroes (pure)."""
    found: list[Extent] = []
    at = 0
    for offset, length in sorted(used):
        start, end = max(at, offset), min(size, offset + length)
        if start >= end:
            continue
        if start > at:
            found.append(Extent(at, start - at, True))
        if found and not found[-1].zero:
            found[-1] = Extent(found[-1].offset, end - found[-1].offset, False)
        else:
            found.append(Extent(start, end - start, False))
        at = end
    if at < size:
        found.append(Extent(at, size - at, True))
    return found


class FlatReader:
    """A flat file as a `Reader`. Where nothing is known of its holes, all of it is one extent with data."""

    def __init__(self, file: vsphere_files.RemoteFile, extents: Sequence[Extent] | None = None) -> None:
        self._file = file
        self._extents = extents

    @property
    def size(self) -> int:
        """The virtual size in bytes."""
        return self._file.size

    def extents(self) -> Iterator[Extent]:
        """What vSphere has told of it, or the whole disk as one extent."""
        yield from self._extents or [Extent(0, self.size, False)]

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes. Raises StepFailed when they can't be had."""
        return self._file.read(offset, length)

    def stamp(self) -> str:
        """Whether the file was written to or replaced, when it is asked again."""
        return self._file.stamp()

    def close(self) -> None:
        """Close its connections."""
        self._file.close()
