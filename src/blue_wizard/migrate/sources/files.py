"""Source `files`: exports and disk images in a folder, one by one, or as a manifest says. See docs/how-to/migrate-files.md."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.migrate import images, manifest, ova
from blue_wizard.migrate.extents import Reader
from blue_wizard.migrate.images import Place
from blue_wizard.migrate.machine import Disk, Machine, Nic
from blue_wizard.migrate.sources import Export, source
from blue_wizard.text import _

__all__ = ["Files"]

_EXPORTS = {".ova", ".ovf"}
_DEFAULT_VCPUS, _DEFAULT_MEMORY = 1, 1024
# Hyper-V calls the disk of a checkpoint NAME_GUID.avhdx.
_CHECKPOINT = re.compile(r"_[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")


@source
class Files:
    """A file, a folder, or a manifest.

    In a folder every ``*.ova``, every ``*.ovf`` (also one folder below) and every disk image is one machine, but for images that
    others are made of or from: extents, parents, disks of an OVF. A manifest in the folder says it all instead.
    """

    schemes: ClassVar[tuple[str, ...]] = ("files", "file")

    def __init__(self, url: str) -> None:
        text = url.partition("://")[2] if "://" in url else url.removeprefix("files:")
        self._path = Path(text).expanduser().absolute()
        if not self._path.exists():
            raise InputError(
                _("{path} does not exist.").format(path=self._path),
                _("Give a file, a folder, a URL, or the name of a source in the configuration."),
            )

    @property
    def target(self) -> str:
        """Copies out of one folder share its disk."""
        return f"files:{self._folder}"

    def discover(self, match: str = "*") -> Iterable[Machine]:
        """All machines, by name. Raises InputError for the first file that is damaged or unsafe."""
        listed = manifest.find(self._path)
        if listed is not None:
            batch = manifest.read(listed)
            for entry in batch.machines:
                if fnmatch.fnmatch(entry.name, match):
                    yield manifest.machine(batch, entry)
            return
        for file in self._files():
            # The name inside an export is known only after a look into it; a file's name is enough to choose it as well.
            found = ova.machine(file, self._id(file)) if file.suffix.lower() in _EXPORTS else _image(file)
            if fnmatch.fnmatch(found.name, match) or fnmatch.fnmatch(file.name, match):
                yield found

    def check(self, machine_id: str, check_stop: Callable[[], None]) -> None:
        """Verify what the export says of itself: the hashes of an OVF's manifest. Raises InputError naming the member."""
        if manifest.find(self._path) is None:
            file = self._file(machine_id)
            if file.suffix.lower() in _EXPORTS:
                ova.check(file, check_stop)

    def open_disk(self, machine_id: str, disk_id: str) -> AbstractContextManager[Export]:
        """The disk, for reading; disks inside an OVA are read in place."""
        return images.export(self._place(machine_id, disk_id))

    def glance(self, machine_id: str, disk_id: str) -> AbstractContextManager[Reader | None]:
        """The disk, for a few reads."""
        return images.glance(self._place(machine_id, disk_id))

    def _place(self, machine_id: str, disk_id: str) -> Place:
        listed = manifest.find(self._path)
        if listed is not None:
            batch = manifest.read(listed)
            for entry in batch.machines:
                if entry.name == machine_id and any(d.path == disk_id for d in entry.disks):
                    return batch.place(entry, disk_id)
            raise StepFailed(_("{file} no longer holds {member}.").format(file=listed.name, member=machine_id))
        file = self._file(machine_id)
        return ova.member(file, disk_id) if file.suffix.lower() in _EXPORTS else Place(file)

    @property
    def _folder(self) -> Path:
        return self._path if self._path.is_dir() else self._path.parent

    def _id(self, file: Path) -> str:
        return str(file.relative_to(self._folder))

    def _file(self, machine_id: str) -> Path:
        file = self._path / machine_id if self._path.is_dir() else self._path
        # The id stands in a wave file, which is edited by hand: it must not lead out of the folder.
        if ".." in Path(machine_id).parts or self._id(file) != machine_id or not file.is_file():
            raise StepFailed(_("{file} is gone from {folder}.").format(file=machine_id, folder=self._path))
        return file

    def _files(self) -> Iterator[Path]:
        if self._path.is_file():
            images.packed(Place(self._path))
            yield self._path
            return
        entries = sorted(self._path.iterdir())
        below = [f for d in entries if d.is_dir() for f in sorted(d.glob("*.[oO][vV][fF]"))]
        found = [f for f in (*entries, *below) if f.is_file() and _kind(f) in images.SUFFIXES | _EXPORTS]
        parts: set[Path] = set()
        for file in found:
            if file.suffix.lower() != ".ova":
                parts |= ova.parts(file) if file.suffix.lower() == ".ovf" else images.references(file)
        for file in found:
            if file.resolve() not in parts:
                images.packed(Place(file))
                yield file


def _kind(file: Path) -> str:
    """The suffix, also of a file that is compressed: that one is named, not passed over."""
    name = file.name.lower().removesuffix(".gz")
    return Path(name).suffix


def _image(file: Path) -> Machine:
    looked = images.look(Place(file))
    return Machine(
        id=file.name,
        name=_CHECKPOINT.sub("", file.stem),
        vcpus=_DEFAULT_VCPUS,
        memory=_DEFAULT_MEMORY,
        disks=(Disk(file.name, looked.size, looked.format, used=looked.used, boot=True),),
        nics=(Nic(mac="", network=""),),
        warnings=(_("An image says nothing of vCPUs, memory and network: check them in the wave file."),),
    )
