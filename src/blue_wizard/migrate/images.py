"""One disk image: what it is, whether it is whole and may be trusted, and how it is read."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blue_wizard.errors import BlueWizardError, InputError, StepFailed
from blue_wizard.facts import qemu_img, vmdk_descriptor
from blue_wizard.migrate import serving
from blue_wizard.migrate.extents import Reader
from blue_wizard.migrate.formats import Image, open_image
from blue_wizard.migrate.formats.family import Family
from blue_wizard.migrate.formats.vhd import FixedVhd
from blue_wizard.migrate.formats.vmdk_sparse import reach
from blue_wizard.migrate.formats.window import MAX_SIZE, damaged
from blue_wizard.migrate.source import Export
from blue_wizard.migrate.transfer.file_reader import FileReader, stamp_of
from blue_wizard.migrate.transfer.nbd_reader import NbdReader
from blue_wizard.reach import nbd
from blue_wizard.text import _

__all__ = ["MARKED", "SUFFIXES", "Looked", "Place", "export", "glance", "look", "packed", "references"]

MARKED = {".qcow2", ".qcow", ".vmdk", ".vhd", ".vhdx", ".avhd", ".avhdx", ".vdi"}
"""Suffixes of formats that have a mark of their own: a file with one of them that looks raw is damaged, or no disk."""
SUFFIXES = MARKED | {".raw", ".img"}
_INFO_TIMEOUT_S, _CHECK_TIMEOUT_S = 60, 600
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Place:
    """Where an image lies: a file, or `size` bytes from `offset` in one (a member of an archive). `name` stands in messages."""

    file: Path
    offset: int = 0
    size: int | None = None
    name: str = ""

    @property
    def title(self) -> str:
        """Its name in messages."""
        return self.name or self.file.name

    @property
    def alone(self) -> bool:
        """The image is a file of its own, and may have others beside it."""
        return self.size is None

    def head(self, length: int) -> bytes:
        """Its first bytes. Raises InputError."""
        try:
            with self.file.open("rb") as f:
                f.seek(self.offset)
                return f.read(length if self.size is None else min(length, self.size))
        except OSError as e:
            raise InputError(_("{file} can't be read: {error}").format(file=self.title, error=e.strerror)) from e


@dataclass(frozen=True)
class Looked:
    """What an image is. `size` is the virtual size, `used` the space on disk, both in bytes."""

    format: str
    size: int
    used: int


def look(place: Place) -> Looked:
    """See what the image is, and look through its tables. Raises InputError when it is damaged, cut off, or not to be trusted."""
    packed(place)
    image = _own(place)
    if image is None:
        return _qemus(place)
    try:
        image.check()
        return Looked(image.format, image.size, _used(place))
    except StepFailed as e:
        raise InputError(e.message, e.hint) from e
    finally:
        image.close()


@contextmanager
def export(place: Place) -> Iterator[Export]:
    """The image, for reading. Raises InputError as `look` does, StepFailed when it can't be opened."""
    stamp = _stamp(place)
    image = _own(place)
    if image is None:
        found = _info(place)
        with nbd.serve(_node(place, found.format)) as uri:
            yield Export(uri, found.size, _raw_reader(place, found), stamp)
        return
    if image.only_ours:
        size = image.size
        with serving.serve(image) as uri:
            yield Export(uri, size, lambda: _again(place), stamp)
        return
    if isinstance(image, FixedVhd):
        node = nbd.file_node(place.file, "raw", offset=place.offset, size=image.size)
    else:
        node = _node(place, image.format)
    image.close()
    with nbd.serve(node) as uri:
        yield Export(uri, image.size, lambda: _again(place), stamp)


@contextmanager
def glance(place: Place) -> Iterator[Reader]:
    """The image, for a few reads: no process is started where a reader of our own will do. Raises as `export` does."""
    image: Reader | None = _own(place)
    if image is None:
        found = _info(place)
        raw = _raw_reader(place, found)
        if raw is None:
            with nbd.serve(_node(place, found.format)) as uri, closing(NbdReader(uri, found.size)) as reached:
                yield reached
            return
        image = raw()
    with closing(image):
        yield image


def _raw_reader(place: Place, found: qemu_img.ImageInfo) -> Callable[[], Reader] | None:
    """What reads a raw image without a process between; None for other formats, and where QEMU pads the last sector."""
    held = place.size if place.size is not None else place.file.stat().st_size
    if found.format != "raw" or held != found.size:
        return None
    return lambda: FileReader(place.file, offset=place.offset, size=found.size)


def _stamp(place: Place) -> Callable[[], str]:
    """What tells whether the image, or a file that it is made of or made from, was written to."""
    files = sorted({place.file.resolve(), *(references(place.file) if place.alone else ())})
    return lambda: " ".join(map(stamp_of, files))


def references(file: Path) -> set[Path]:
    """The files beside it that the image is made of or made from. What can't be read names none: a look at it says why."""
    place = Place(file)
    with suppress(BlueWizardError):
        image = _own(place)
        if image is not None:
            chain = image.chain
            image.close()
            return {p.resolve() for p in chain}
        text = _descriptor(place)
        family = Family.of(file)
        names = [e.file for e in vmdk_descriptor.parse(text)] + [vmdk_descriptor.parent(text)]
        if text:
            return {family.other(n) for n in names if n and n != file.name}
        if place.head(4) == b"QFI\xfb":
            return {family.other(n) for n in _qemu_info(place).refers}
    return set()


def packed(place: Place) -> None:
    """Raise InputError, with the way to unpack it, for what is compressed as a whole: that can't be read at random."""
    if place.head(2) == _GZIP:
        raise InputError(
            _("{file} is compressed with gzip.").format(file=place.title),
            _("Unpack it first: gunzip --keep {file}").format(file=place.file)
            if place.alone
            else _("Unpack it first: tar -xf {file}, then gunzip the disk; the folder is a source as well.").format(
                file=place.file
            ),
        )


def _own(place: Place) -> Image | None:
    image = open_image(place.file, offset=place.offset, size=place.size, name=place.title)
    if image is not None and image.chain and not place.alone:
        image.close()
        raise _names_others(place)
    return image


def _again(place: Place) -> Image:
    image = _own(place)
    if image is None:
        raise StepFailed(
            _("{file} is no longer what it was.").format(file=place.title),
            _("Plan again: blue-wizard migrate plan"),
        )
    return image


def _names_others(place: Place) -> InputError:
    return InputError(
        _("{file} names other files, but it is a part of an archive.").format(file=place.title),
        _("An honest export does not do that: ask where the file comes from."),
    )


def _node(place: Place, fmt: str) -> dict[str, Any]:
    return nbd.file_node(place.file, fmt, offset=place.offset, size=place.size or 0)


def _used(place: Place) -> int:
    return place.file.stat().st_blocks * 512 if place.size is None else place.size


def _info(place: Place) -> qemu_img.ImageInfo:
    """What QEMU says of the image. Raises InputError also for what it, or its parents, must not name."""
    found = _qemu_info(place)
    if found.format not in qemu_img.FORMATS:
        raise InputError(
            _("{file} is of format {format}, which is not read.").format(file=place.title, format=found.format)
        )
    # Raw is what is left when the content names no format. Half a VHD is "raw" too, and must not become half a disk.
    suffix = Path(place.title).suffix.lower()
    if found.format == "raw" and suffix in MARKED:
        raise InputError(
            _("{file} has nothing of a {suffix} disk in it.").format(file=place.title, suffix=suffix),
            _("It is cut off, or a part of another disk. If it is a raw disk, call it {name}.").format(
                name=Path(place.title).with_suffix(".raw").name
            ),
        )
    if not 0 < found.size <= MAX_SIZE:
        raise _as_input(damaged(place.title, _("a virtual size of {size} bytes").format(size=found.size)))
    if found.encrypted:
        raise InputError(
            _("{file} is encrypted.").format(file=place.title),
            _("Decrypt it first: qemu-img convert, with the key as a secret."),
        )
    if place.alone:
        _check_family(found, Family.of(place.file))
    elif found.refers:
        raise _names_others(place)
    return found


def _check_family(found: qemu_img.ImageInfo, family: Family) -> None:
    """All that the image names, and what that names, lies in the folder."""
    for name in found.refers:
        other = family.other(name)
        if name == found.backing:
            above = family.parent(name)
            _check_family(_qemu_info(Place(other)), above)


def _qemu_info(place: Place) -> qemu_img.ImageInfo:
    node = _node(place, "")
    target = str(place.file) if place.alone else "json:" + json.dumps({"file": node["file"]})
    done = _run(qemu_img.info_command(target), place, _INFO_TIMEOUT_S)
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()[-1].rpartition(": ")[2] if done.stderr.strip() else "?"
        raise InputError(
            _("{file} can't be read as a disk image: {error}").format(file=place.title, error=words),
            _("It may be damaged or cut off: compare its size with the original."),
        )
    return qemu_img.parse_info(done.stdout)


def _run(argv: list[str], place: Place, timeout_s: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s, check=False, errors="replace")
    except FileNotFoundError as e:
        raise InputError(
            _("qemu-img is not installed."), _("Install the Debian package {name}.").format(name="qemu-utils")
        ) from e
    except subprocess.TimeoutExpired as e:
        raise InputError(
            _("{file} could not be looked through in {seconds} s.").format(file=place.title, seconds=round(timeout_s)),
            _("It may be damaged or cut off: compare its size with the original."),
        ) from e


def _qemus(place: Place) -> Looked:
    """An image that QEMU reads: its structure as `qemu-img` sees it, and what that does not see."""
    found = _info(place)
    if place.alone:
        _check_whole(place, found, Family.of(place.file))
    return Looked(found.format, found.size, found.used if place.alone else _used(place))


def _check_whole(place: Place, found: qemu_img.ImageInfo, family: Family) -> None:
    """Raise InputError when the image, one of its extents or of its parents is not complete."""
    if found.format != "raw":
        done = _run(qemu_img.check_command(str(place.file), found.format), place, _CHECK_TIMEOUT_S)
        if done.returncode in {1, 2}:
            raise _as_input(damaged(place.title, _last_line(done.stderr)))
        text = _descriptor(place)
        if text:
            _check_extents(place, text, family)
        else:
            _check_reach(place, found.format)
    if found.backing:
        above = family.parent(found.backing)
        parent = Place(above.file)
        own = _own(parent)
        if own is None:
            _check_whole(parent, _qemu_info(parent), above)
        else:
            own.close()
            look(parent)


def _check_extents(place: Place, text: str, family: Family) -> None:
    for extent in vmdk_descriptor.parse(text):
        if extent.kind == "ZERO":
            continue
        file = family.other(extent.file)
        if extent.kind == "SPARSE":
            _check_end(Place(file), _reach(file))
        # QEMU reads zeroes behind the end of a flat extent.
        if (has := file.stat().st_size) < extent.needs:
            detail = _("{extent} has {size} of {needed} bytes").format(
                extent=extent.file, size=has, needed=extent.needs
            )
            raise _as_input(damaged(place.title, detail))


def _check_reach(place: Place, fmt: str) -> None:
    """Raise InputError when the tables name data behind the end of the file."""
    done = _run(qemu_img.map_command(str(place.file), fmt), place, _CHECK_TIMEOUT_S)
    if done.returncode != 0:
        raise _as_input(damaged(place.title, _last_line(done.stderr)))
    pieces = [p for p in json.loads(done.stdout or "[]") if p.get("data") and "offset" in p and not p.get("depth")]
    _check_end(place, max((p["offset"] + p["length"] for p in pieces), default=0))


def _reach(file: Path) -> int:
    try:
        return reach(file)
    except StepFailed as e:
        raise _as_input(e) from e


def _check_end(place: Place, end: int) -> None:
    size = place.file.stat().st_size
    if end > size:
        detail = _("its tables reach to byte {end}, the file ends at {size}").format(end=end, size=size)
        raise _as_input(damaged(place.title, detail))


def _descriptor(place: Place) -> str:
    """The text of a VMDK that is nothing but a descriptor; "" for everything else."""
    head = place.head(1 << 20)
    return head.decode("latin-1") if head.lstrip()[: len(vmdk_descriptor.MAGIC)] == vmdk_descriptor.MAGIC else ""


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else ""


def _as_input(error: StepFailed) -> InputError:
    return InputError(error.message, error.hint)
