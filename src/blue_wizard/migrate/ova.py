"""Exports with a description: an OVA (a tar, read in place) or the same as a folder with an ``.ovf`` in it."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

from blue_wizard.errors import InputError, StepFailed
from blue_wizard.migrate import ovf
from blue_wizard.migrate.formats.window import damaged
from blue_wizard.migrate.images import Place, look, packed
from blue_wizard.migrate.machine import Disk, Machine
from blue_wizard.text import _

__all__ = ["check", "machine", "member", "members", "parts"]

_CHUNK = 4 << 20
_MAX_TEXT = 16 << 20


def machine(file: Path, machine_id: str) -> Machine:
    """The machine that an ``.ova`` or ``.ovf`` describes. Raises InputError when the export is not complete or not safe."""
    found = members(file)
    described = _described(file, found)
    disks = []
    for i, ref in enumerate(described.disks):
        if ref.file not in found:
            raise InputError(
                _("{file}: the OVF names {member}, which is not in the archive.").format(
                    file=file.name, member=ref.file
                ),
                _("The archive is not complete: export it again."),
            )
        looked = look(found[ref.file])
        if looked.size < ref.size:
            error = damaged(found[ref.file].title, f"{looked.size} < {ref.size}")
            raise InputError(error.message, error.hint)
        disks.append(Disk(ref.file, looked.size, looked.format, bus=ref.bus, used=looked.used, boot=i == 0))
    if not disks:
        raise InputError(_("{file}: the OVF has no disk.").format(file=file.name))
    return Machine(
        id=machine_id,
        name=described.name or file.stem,
        vcpus=described.vcpus,
        memory=described.memory,
        disks=tuple(disks),
        nics=described.nics,
        firmware=described.firmware,
        secure_boot=described.secure_boot,
        os=described.os,
    )


def parts(file: Path) -> set[Path]:
    """The files beside an ``.ovf`` that are its disks. What can't be read has none: a look at the machine says why."""
    try:
        found = members(file)
        return {found[ref.file].file.resolve() for ref in _described(file, found).disks if ref.file in found}
    except InputError:
        return set()


def _described(file: Path, found: Mapping[str, Place]) -> ovf.Description:
    descriptions = [n for n in found if n.lower().endswith(".ovf")]
    if len(descriptions) != 1:
        raise InputError(
            _("{file} holds {count} OVF files instead of one.").format(file=file.name, count=len(descriptions))
        )
    try:
        return ovf.parse(_text(found[descriptions[0]]))
    except InputError as e:
        raise InputError(f"{file.name}: {e.message}", e.hint) from e


def members(file: Path) -> Mapping[str, Place]:
    """The files of an export by their names in it. Raises InputError when it is cut off, or holds anything but plain files."""
    return _beside(file) if file.suffix.lower() == ".ovf" else _inside(file)


def member(file: Path, name: str) -> Place:
    """One file of an export. Raises StepFailed when it is gone."""
    try:
        return members(file)[name]
    except KeyError:
        raise StepFailed(_("{file} no longer holds {member}.").format(file=file.name, member=name)) from None


def check(file: Path, check_stop: Callable[[], None]) -> None:
    """Compare all files of an export with its manifest, when it has one. Raises InputError naming the file."""
    found = members(file)
    listed = next((n for n in found if n.lower().endswith(".mf")), None)
    if listed is None:
        return
    for name, (algorithm, expected) in ovf.manifest(_text(found[listed]).decode(errors="replace")).items():
        if name not in found:
            raise InputError(
                _("{file}: the manifest names {member}, which is not in the archive.").format(
                    file=file.name, member=name
                )
            )
        if _digest(found[name], algorithm, check_stop) != expected:
            raise InputError(
                _("{file}: {member} does not have the hash that its manifest says.").format(
                    file=file.name, member=name
                ),
                _("It was changed or damaged on the way: copy or export it again."),
            )


def _inside(file: Path) -> dict[str, Place]:
    packed(Place(file))
    found: dict[str, Place] = {}
    size = file.stat().st_size
    try:
        with tarfile.open(file, "r:") as tar:
            for one in tar:
                name = ovf.safe_name(one.name)
                if not one.isreg() or one.issparse():
                    raise InputError(
                        _("{file}: {member} is not a plain file.").format(file=file.name, member=repr(one.name)),
                        _("An honest export does not do that: ask where the file comes from."),
                    )
                if one.offset_data + one.size > size:
                    error = damaged(file.name, _("{member} is not complete").format(member=name))
                    raise InputError(error.message, error.hint)
                found[name] = Place(file, one.offset_data, one.size, f"{file.name}: {name}")
    except (tarfile.TarError, OSError, ValueError, OverflowError) as e:
        error = damaged(file.name, str(e))
        raise InputError(error.message, error.hint) from e
    except InputError as e:
        raise e if file.name in e.message else InputError(f"{file.name}: {e.message}", e.hint) from e
    return found


def _beside(file: Path) -> dict[str, Place]:
    """The description itself, its manifest, and what lies beside them; other descriptions are of other machines."""
    found = {}
    for other in sorted(file.parent.iterdir()):
        # What links lead to lies elsewhere, or is in the list by its own name.
        if other.is_symlink() or not other.is_file():
            continue
        if other.suffix.lower() in {".ovf", ".mf"} and other.stem != file.stem:
            continue
        found[other.name] = Place(other, name=f"{file.name}: {other.name}")
    return found


def _text(place: Place) -> bytes:
    text = place.head(_MAX_TEXT)
    if len(text) == _MAX_TEXT:
        raise InputError(_("{file} is too large for a description.").format(file=place.title))
    return text


def _digest(place: Place, algorithm: str, check_stop: Callable[[], None]) -> str:
    digest = hashlib.new(algorithm)
    with place.file.open("rb") as f:
        f.seek(place.offset)
        left = place.file.stat().st_size if place.size is None else place.size
        while left:
            check_stop()
            piece = f.read(min(left, _CHUNK))
            if not piece:
                break
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()
