"""What a transfer has done, object by object, in a file that outlives the worker and the machine's power.

The file is a header that says which disk and which target it speaks of, then records of one size: the object, whether it was
written or found to hold zeroes only, the SHA-256 of its pieces, and a checksum of the record. Records are appended in batches,
each synced to the disk *after* the writes it speaks of stand. A record that was torn by a loss of power has a wrong checksum;
it and what follows it are cut off, and those objects are copied again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from blue_wizard.errors import StepFailed
from blue_wizard.text import _

__all__ = ["Journal", "OtherDisk", "Record", "remove"]

_MAGIC = b"blue-wizard transfer 1\n"
_HEAD = struct.Struct("<II")
_BODY = struct.Struct("<Q?32s")
_RECORD = _BODY.size + 4
_PAGE = 1024
_SLOT = 33


class OtherDisk(StepFailed):
    """The journal speaks of another disk or target, or can't be read: nothing of it counts here."""


@dataclass(frozen=True)
class Record:
    """An object that is done. `written` is False when it held nothing but zeroes; `sha256` is over its pieces in order."""

    index: int
    written: bool
    sha256: bytes


class Journal:
    """The journal at `path`, made when there is none. Raises OtherDisk when `identity` is not what its header says.

    Only one process can have it open. Memory: 33 bytes for each object of a GiB in which anything is done.
    """

    def __init__(self, path: Path, identity: Mapping[str, object]) -> None:
        self.path = path
        head = json.dumps(identity, sort_keys=True).encode()
        self._seed = zlib.crc32(head)
        self._pages: dict[int, bytearray] = {}
        self._count = 0
        if not path.exists():
            _make(path, head)
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StepFailed(_("Another process has the journal {path} open.").format(path=path)) from None
            self._read(head)
        except BaseException:
            self.close()
            raise

    def _read(self, head: bytes) -> None:
        with open(self._fd, "rb", closefd=False) as file:
            found = _head(file.read(len(_MAGIC) + _HEAD.size), file.read)
            if found != head:
                raise OtherDisk(
                    _("The journal {path} speaks of another disk or target.").format(path=self.path),
                    _("The copy begins again at its start."),
                )
            good = file.tell()
            while len(raw := file.read(_RECORD)) == _RECORD:
                record = self._parse(raw)
                if record is None:
                    break
                self._keep(record)
                good += _RECORD
        os.ftruncate(self._fd, good)
        os.lseek(self._fd, good, os.SEEK_SET)

    def _parse(self, raw: bytes) -> Record | None:
        body = raw[: _BODY.size]
        if int.from_bytes(raw[_BODY.size :], "little") != zlib.crc32(body, self._seed):
            return None
        return Record(*_BODY.unpack(body))

    def _keep(self, record: Record) -> None:
        page = self._pages.setdefault(record.index // _PAGE, bytearray(_PAGE * _SLOT))
        at = record.index % _PAGE * _SLOT
        self._count += not page[at]
        page[at : at + _SLOT] = bytes([2 if record.written else 1]) + record.sha256

    def __len__(self) -> int:
        return self._count

    def get(self, index: int) -> Record | None:
        """What is known of an object; None when it has to be copied."""
        page = self._pages.get(index // _PAGE)
        if page is None:
            return None
        at = index % _PAGE * _SLOT
        return Record(index, page[at] == 2, bytes(page[at + 1 : at + _SLOT])) if page[at] else None

    def records(self) -> Iterator[Record]:
        """All that is known, by object."""
        for number in sorted(self._pages):
            found = (self.get(number * _PAGE + i) for i in range(_PAGE))
            yield from (r for r in found if r is not None)

    def append(self, records: Iterable[Record]) -> None:
        """Add what is done, and return when it is on the disk. Raises StepFailed when it can't be written."""
        new = list(records)
        if not new:
            return
        raw = bytearray()
        for r in new:
            body = _BODY.pack(r.index, r.written, r.sha256)
            raw += body + zlib.crc32(body, self._seed).to_bytes(4, "little")
        try:
            view = memoryview(raw)
            while view:
                view = view[os.write(self._fd, view) :]
            os.fdatasync(self._fd)
        except OSError as e:
            raise StepFailed(
                _("The journal {path} can't be written: {error}").format(path=self.path, error=e.strerror),
                _("Make room in the folder of the state, and run the job again."),
            ) from e
        for r in new:
            self._keep(r)

    def root(self) -> str:
        """One SHA-256 (hex) over all objects and their hashes: two transfers of one disk have the same."""
        digest = hashlib.sha256()
        for r in self.records():
            digest.update(_BODY.pack(r.index, r.written, r.sha256))
        return digest.hexdigest()

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _head(start: bytes, read: object) -> bytes | None:
    if not start.startswith(_MAGIC) or len(start) < len(_MAGIC) + _HEAD.size:
        return None
    length, checksum = _HEAD.unpack(start[len(_MAGIC) :])
    head: bytes = read(length)  # type: ignore[operator]
    return head if zlib.crc32(head) == checksum else None


def _make(path: Path, head: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.write(_MAGIC + _HEAD.pack(len(head), zlib.crc32(head)) + head)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    _sync_folder(path.parent)


def remove(path: Path) -> None:
    """Remove a journal if it is there."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
