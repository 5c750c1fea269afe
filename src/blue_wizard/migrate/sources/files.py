"""Source `files`: OVA archives and disk images of any format that QEMU reads, in a folder or one by one."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import struct
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.facts import qemu_img, vhdx
from blue_wizard.migrate import ovf
from blue_wizard.migrate.machine import Disk, Machine, Nic
from blue_wizard.migrate.sources import Export, source
from blue_wizard.reach import nbd
from blue_wizard.text import _

__all__ = ["Files"]

_SUFFIXES = {".qcow2", ".vmdk", ".vhd", ".vhdx", ".vdi", ".raw", ".img", ".qcow"}
_DEFAULT_VCPUS, _DEFAULT_MEMORY = 1, 1024
_CHUNK = 4 << 20


@source
class Files:
    """A file, or a folder of files: every ``*.ova`` and every disk image is one machine, named by the OVF or the file."""

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
        return f"files:{self._path if self._path.is_dir() else self._path.parent}"

    def discover(self, match: str = "*") -> Iterable[Machine]:
        """All machines, by name. Raises InputError for the first file that is damaged or unsafe."""
        files = sorted(self._path.iterdir()) if self._path.is_dir() else [self._path]
        for file in files:
            suffix = file.suffix.lower()
            if suffix != ".ova" and suffix not in _SUFFIXES and file != self._path:
                continue
            if not file.is_file():
                continue
            # The name inside an OVA is known only after a look into it; a file's name is enough to choose it as well.
            machine = _ova(file) if suffix == ".ova" else _image(file)
            if fnmatch.fnmatch(machine.name, match) or fnmatch.fnmatch(file.name, match):
                yield machine

    def check(self, machine_id: str, check_stop: Callable[[], None]) -> None:
        """Verify what the export says of itself: the manifest of an OVA. Raises InputError naming the member."""
        file = self._file(machine_id)
        if file.suffix.lower() == ".ova":
            _check_manifest(file, check_stop)

    @contextmanager
    def open_disk(self, machine_id: str, disk_id: str) -> Iterator[Export]:
        """The disk as an NBD export; disks inside an OVA are read in place."""
        file = self._file(machine_id)
        if file.suffix.lower() == ".ova":
            member = _member(file, disk_id)
            node = nbd.file_node(file, "vmdk", offset=member.offset_data, size=member.size)
            size = _info(node, f"{file.name}: {disk_id}").size
        else:
            info = _safe_info(file)
            node, size = nbd.file_node(file, info.format), info.size
        with nbd.serve(node) as uri:
            yield Export(uri, size)

    def _file(self, machine_id: str) -> Path:
        file = self._path / machine_id if self._path.is_dir() else self._path
        if file.name != machine_id or not file.is_file():
            raise StepFailed(_("{file} is gone from {folder}.").format(file=machine_id, folder=self._path))
        return file


def _image(file: Path) -> Machine:
    info = _safe_info(file)
    _check_whole(file, info)
    return Machine(
        id=file.name,
        name=file.stem,
        vcpus=_DEFAULT_VCPUS,
        memory=_DEFAULT_MEMORY,
        disks=(Disk(file.name, info.size, info.format, used=info.used, boot=True),),
        nics=(Nic(mac="", network=""),),
        warnings=(_("An image says nothing of vCPUs, memory and network: check them in the wave file."),),
    )


def _safe_info(file: Path) -> qemu_img.ImageInfo:
    # Raw is what is left when the content names no format; a raw disk that begins like a QCOW2 is read as a QCOW2.
    info = _info(str(file), file.name)
    if info.format not in qemu_img.FORMATS:
        raise InputError(_("{file} is of format {format}, which is not read.").format(file=file, format=info.format))
    for other in info.refers:
        inside = (file.parent / other).resolve()
        if not inside.is_relative_to(file.parent.resolve()):
            raise InputError(
                _("{file} names a file outside its folder: {other}").format(file=file, other=other),
                _("Put all parts of the image into one folder."),
            )
    return info


def _info(target: str | dict[str, Any], name: str) -> qemu_img.ImageInfo:
    text = target if isinstance(target, str) else "json:" + json.dumps(target)
    try:
        done = subprocess.run(qemu_img.info_command(text), capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError as e:
        raise InputError(
            _("qemu-img is not installed."), _("Install the Debian package {name}.").format(name="qemu-utils")
        ) from e
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()[-1].rpartition(": ")[2] if done.stderr.strip() else "?"
        raise InputError(
            _("{file} can't be read as a disk image: {error}").format(file=name, error=words),
            _("It may be damaged or cut off: compare its size with the original."),
        )
    return qemu_img.parse_info(done.stdout)


def _check_whole(file: Path, info: qemu_img.ImageInfo) -> None:
    """Raise InputError when the image's own tables point beyond its end, or are damaged."""
    if info.format == "raw":
        return
    if info.subformat == "streamOptimized":
        with file.open("rb") as f:
            _check_stream(f, 0, file.stat().st_size, file.name)
        return
    done = subprocess.run(
        qemu_img.check_command(str(file), info.format), capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode in {1, 2}:
        raise _cut_off(file.name, done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "")
    end = _vhdx_end(file) if info.format == "vhdx" else _highest_byte(file, info.format)
    if end > file.stat().st_size:
        detail = _("its tables reach to byte {end}, the file ends at {size}").format(end=end, size=file.stat().st_size)
        raise _cut_off(file.name, detail)


def _highest_byte(file: Path, fmt: str) -> int:
    """The end of the last piece of data that the image's tables name, as `qemu-img map` tells it; 0 when it can't."""
    argv = ["qemu-img", "map", "-U", "--output=json", "-f", fmt, str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise _cut_off(file.name, done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "")
    pieces = json.loads(done.stdout or "[]")
    return max((p["offset"] + p["length"] for p in pieces if p.get("data") and "offset" in p), default=0)


def _vhdx_end(file: Path) -> int:
    try:
        with file.open("rb") as f:
            return vhdx.last_byte(f)
    except (ValueError, struct.error) as e:
        raise _cut_off(file.name, str(e)) from e


def _cut_off(name: str, detail: str) -> InputError:
    return InputError(
        _("{file} is damaged or cut off ({detail}).").format(file=name, detail=detail or "?"),
        _("Compare its size and hash with the original, and copy it again."),
    )


def _check_stream(f: Any, offset: int, size: int, name: str) -> None:
    """A streamOptimized VMDK ends with an end-of-stream marker: 512 zero bytes (VMware Virtual Disk Format 1.1)."""
    if size < 1024:
        raise _cut_off(name, _("{size} bytes").format(size=size))
    f.seek(offset + size - 1024)
    footer, last = f.read(512), f.read(512)
    if last != bytes(512) or footer[:4] != b"KDMV":
        # Writers that need no footer (QEMU) put the grain directory's place into the header instead.
        f.seek(offset)
        header = f.read(512)
        (directory,) = struct.unpack_from("<Q", header, 56)
        if header[:4] != b"KDMV" or last != bytes(512) or directory * 512 >= size:
            raise _cut_off(name, _("no end-of-stream marker"))


def _ova(file: Path) -> Machine:
    members = _members(file)
    descriptions = [n for n in members if n.lower().endswith(".ovf")]
    if len(descriptions) != 1:
        raise InputError(
            _("{file} holds {count} OVF files instead of one.").format(file=file.name, count=len(descriptions))
        )
    try:
        found = ovf.parse(_content(file, members[descriptions[0]]))
    except InputError as e:
        raise InputError(f"{file.name}: {e.message}", e.hint) from e
    disks = []
    for i, ref in enumerate(found.disks):
        if ref.file not in members:
            raise InputError(
                _("{file}: the OVF names {member}, which is not in the archive.").format(
                    file=file.name, member=ref.file
                ),
                _("The archive is not complete: export it again."),
            )
        member = members[ref.file]
        node = nbd.file_node(file, "vmdk", offset=member.offset_data, size=member.size)
        info = _info(node, f"{file.name}: {ref.file}")
        if info.size < ref.size:
            raise _cut_off(f"{file.name}: {ref.file}", f"{info.size} < {ref.size}")
        if info.subformat == "streamOptimized":
            with file.open("rb") as f:
                _check_stream(f, member.offset_data, member.size, f"{file.name}: {ref.file}")
        disks.append(Disk(ref.file, info.size, "vmdk", bus=ref.bus, used=member.size, boot=i == 0))
    if not disks:
        raise InputError(_("{file}: the OVF has no disk.").format(file=file.name))
    return Machine(
        id=file.name,
        name=found.name or file.stem,
        vcpus=found.vcpus,
        memory=found.memory,
        disks=tuple(disks),
        nics=found.nics,
        firmware=found.firmware,
        secure_boot=found.secure_boot,
        os=found.os,
    )


def _members(file: Path) -> dict[str, tarfile.TarInfo]:
    """The archive's plain members by name. Raises InputError when it is cut off or holds anything else."""
    found = {}
    try:
        with tarfile.open(file, "r:") as tar:
            for member in tar:
                name = ovf.safe_name(member.name)
                if not member.isreg():
                    raise InputError(
                        _("{file}: {member} is not a plain file.").format(file=file.name, member=repr(member.name)),
                        _("An honest export does not do that: ask where the file comes from."),
                    )
                if member.offset_data + member.size > file.stat().st_size:
                    raise _cut_off(file.name, _("{member} is not complete").format(member=name))
                found[name] = member
    except tarfile.TarError as e:
        raise _cut_off(file.name, str(e)) from e
    except InputError as e:
        raise e if file.name in e.message else InputError(f"{file.name}: {e.message}", e.hint) from e
    return found


def _member(file: Path, name: str) -> tarfile.TarInfo:
    try:
        return _members(file)[name]
    except KeyError:
        raise StepFailed(_("{file} no longer holds {member}.").format(file=file.name, member=name)) from None


def _content(file: Path, member: tarfile.TarInfo) -> bytes:
    with file.open("rb") as f:
        f.seek(member.offset_data)
        return f.read(member.size)


def _check_manifest(file: Path, check_stop: Callable[[], None]) -> None:
    members = _members(file)
    listed = next((n for n in members if n.lower().endswith(".mf")), None)
    if listed is None:
        return
    for name, (algorithm, expected) in ovf.manifest(_content(file, members[listed]).decode(errors="replace")).items():
        if name not in members:
            raise InputError(
                _("{file}: the manifest names {member}, which is not in the archive.").format(
                    file=file.name, member=name
                )
            )
        digest = hashlib.new(algorithm)
        with file.open("rb") as f:
            f.seek(members[name].offset_data)
            left = members[name].size
            while left:
                check_stop()
                piece = f.read(min(left, _CHUNK))
                digest.update(piece)
                left -= len(piece)
        if digest.hexdigest() != expected:
            raise InputError(
                _("{file}: {member} does not have the hash that its manifest says.").format(
                    file=file.name, member=name
                ),
                _("It was changed or damaged on the way: copy or export it again."),
            )
