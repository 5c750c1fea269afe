"""How Windows has left an NTFS volume: asleep, or not closed. As much of NTFS as that takes. Pure over a `read(offset, length)`.

Layouts: boot sector, records, attributes, runs and indexes as in ntfs-3g's include/ntfs-3g/layout.h; the marks of a hibernation
file as ntfs-3g's libntfs-3g/volume.c and GRUB's commands/nthibr.c read them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from blue_wizard.facts.partitions import Read

__all__ = ["NotReadable", "Volume", "look"]

_MFT, _VOLUME, _ROOT = 0, 3, 5
_DATA, _VOLUME_INFORMATION, _INDEX_ROOT, _INDEX_ALLOCATION = 0x80, 0x70, 0x90, 0xA0
_DIRTY = 1
_STRIDE = 512  # of the fix-ups, whatever the sectors are
_LONGEST_INDEX = 256 << 10
_MOST_RUNS = 4096
_ASLEEP = (b"hibr", b"HIBR")


class NotReadable(ValueError):
    """The volume is no NTFS, or damaged, or larger in some way than this reads."""


@dataclass(frozen=True)
class Volume:
    """`dirty`: Windows wants to check it. `hibernated`: a sleeping Windows lies in it; None when that could not be seen."""

    dirty: bool
    hibernated: bool | None


@dataclass(frozen=True)
class _Attribute:
    kind: int
    named: bool
    value: bytes  # of a resident one
    runs: tuple[tuple[int | None, int], ...] | None = None  # (cluster or None for a hole, count) of another one
    size: int = 0


def look(read: Read, size: int) -> Volume:
    """Look at a volume of `size` bytes; `read` counts from its start. Raises NotReadable, and what `read` raises."""

    def inside(offset: int, length: int) -> bytes | bytearray:
        if not 0 <= offset <= offset + length <= size:
            raise NotReadable("a place behind its end")
        return read(offset, length)

    try:
        return _look(inside)
    except (struct.error, IndexError) as e:
        raise NotReadable(str(e)) from e


def _look(read: Read) -> Volume:
    boot = bytes(read(0, 512))
    if boot[3:11] != b"NTFS    ":
        raise NotReadable("no boot sector")
    (sector,) = struct.unpack_from("<H", boot, 11)
    per = boot[13] if boot[13] <= 0x80 else 1 << min(256 - boot[13], 31)
    cluster = sector * per
    record = _size(boot[64], cluster)
    (first,) = struct.unpack_from("<Q", boot, 48)
    if not 512 <= cluster <= 2 << 20 or not 512 <= record <= 64 << 10 or record % 512:
        raise NotReadable("sizes that can't be")
    table = bytes(read(first * cluster, 6 * record))
    known = {n: _record(table[n * record : (n + 1) * record]) for n in (_MFT, _VOLUME, _ROOT)}
    flags = struct.unpack_from("<H", _one(known[_VOLUME], _VOLUME_INFORMATION).value, 10)[0]
    try:
        reference = _find(read, known[_ROOT], cluster, "HIBERFIL.SYS")
        if reference is None:
            return Volume(bool(flags & _DIRTY), False)
        number, sequence = reference & 0xFFFF_FFFF_FFFF, reference >> 48
        place = _place(_one(known[_MFT], _DATA), number * record, cluster)
        file = _record(bytes(read(place, record)))
        if struct.unpack_from("<H", file, 16)[0] != sequence:
            raise NotReadable("another file by now")
        return Volume(bool(flags & _DIRTY), _start(read, _one(file, _DATA), cluster) in _ASLEEP)
    except (NotReadable, struct.error, IndexError):
        # Its name may stand where this does not look, in a list of attributes for one.
        return Volume(bool(flags & _DIRTY), None)


def _size(value: int, cluster: int) -> int:
    """A size in clusters, or in powers of two where the byte is negative."""
    return value * cluster if value < 0x80 else 1 << min(256 - value, 31)


def _record(data: bytes, magic: bytes = b"FILE") -> bytes:
    """A record whose sectors' last bytes are put back from where they are kept."""
    if data[:4] != magic:
        raise NotReadable("no record")
    at, count = struct.unpack_from("<HH", data, 4)
    if (count - 1) * _STRIDE != len(data) or at + 2 * count > _STRIDE:
        raise NotReadable("fix-ups that can't be")
    fixed = bytearray(data)
    mark = data[at : at + 2]
    for i in range(1, count):
        end = i * _STRIDE
        if data[end - 2 : end] != mark:
            raise NotReadable("a record that was not written whole")
        fixed[end - 2 : end] = data[at + 2 * i : at + 2 * i + 2]
    return bytes(fixed)


def _attributes(record: bytes) -> Iterator[_Attribute]:
    (at,) = struct.unpack_from("<H", record, 20)
    while at + 8 <= len(record):
        kind, length = struct.unpack_from("<II", record, at)
        if kind == 0xFFFF_FFFF:
            return
        if length < 24 or at + length > len(record):
            raise NotReadable("an attribute that can't be")
        body = record[at : at + length]
        if body[8]:
            runs = tuple(_runs(body[struct.unpack_from("<H", body, 32)[0] :]))
            yield _Attribute(kind, bool(body[9]), b"", runs, struct.unpack_from("<Q", body, 48)[0])
        else:
            size, start = struct.unpack_from("<IH", body, 16)
            yield _Attribute(kind, bool(body[9]), body[start : start + size], size=size)
        at += length


def _one(record: bytes, kind: int) -> _Attribute:
    """The attribute of this kind: of data, the one without a name; others are no file's content."""
    for attribute in _attributes(record):
        if attribute.kind == kind and not (kind == _DATA and attribute.named):
            return attribute
    raise NotReadable("an attribute is not here")


def _runs(data: bytes) -> Iterator[tuple[int | None, int]]:
    at, cluster = 0, 0
    for _n in range(_MOST_RUNS):
        if at >= len(data) or not data[at]:
            return
        counts, offsets = data[at] & 15, data[at] >> 4
        end = at + 1 + counts + offsets
        if end > len(data):
            raise NotReadable("a run that is cut off")
        count = int.from_bytes(data[at + 1 : at + 1 + counts], "little")
        cluster += int.from_bytes(data[at + 1 + counts : end], "little", signed=True)
        yield (cluster if offsets else None), count
        at = end


def _place(attribute: _Attribute, offset: int, cluster: int) -> int:
    """Where on the volume this byte of an attribute lies."""
    for start, count in attribute.runs or ():
        if offset < count * cluster:
            if start is None or start < 0:
                break
            return start * cluster + offset
        offset -= count * cluster
    raise NotReadable("not among the runs")


def _start(read: Read, data: _Attribute, cluster: int) -> bytes:
    if data.runs is None:
        return data.value[:4]
    return bytes(read(_place(data, 0, cluster), 512))[:4] if data.size else b""


def _find(read: Read, folder: bytes, cluster: int, name: str) -> int | None:
    """The reference of a file of the folder, by its name in capitals; None when it is not there."""
    root = _one(folder, _INDEX_ROOT).value
    (block,) = struct.unpack_from("<I", root, 8)
    nodes = [root[16:]]
    allocation = next((a for a in _attributes(folder) if a.kind == _INDEX_ALLOCATION), None)
    if allocation is not None:
        if allocation.size > _LONGEST_INDEX or not 512 <= block <= 64 << 10:
            raise NotReadable("a folder that is too large")
        data = b"".join(_pieces(read, allocation, cluster))
        for at in range(0, len(data) - block + 1, block):
            # Blocks that no longer belong to the tree keep old names; the file's own record tells whether it is the one.
            if data[at : at + 4] == b"INDX":
                nodes.append(_record(data[at : at + block], b"INDX")[24:])
    return next((ref for node in nodes for ref, found in _entries(node) if found.upper() == name), None)


def _pieces(read: Read, attribute: _Attribute, cluster: int) -> Iterator[bytes]:
    left = attribute.size
    for start, count in attribute.runs or ():
        length = min(count * cluster, left)
        if length <= 0:
            return
        if start is None or start < 0:
            raise NotReadable("a hole in a folder")
        yield bytes(read(start * cluster, length))
        left -= length


def _entries(node: bytes) -> Iterator[tuple[int, str]]:
    at, end = struct.unpack_from("<II", node, 0)
    while at + 16 <= min(end, len(node)):
        reference, length, _key, flags = struct.unpack_from("<QHHH", node, at)
        if flags & 2 or length < 16:
            return
        letters = node[at + 16 + 64]
        yield reference, node[at + 16 + 66 : at + 16 + 66 + 2 * letters].decode("utf-16-le", "replace")
        at += length
