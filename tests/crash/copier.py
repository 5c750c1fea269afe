"""A process that copies a disk and is made to be killed: SOURCE KIND TARGET SIZE JOURNAL LOG OBJECT DELAY.

KIND is ``file``, ``nbd`` (TARGET is a URI) or ``rbd`` (TARGET is POOL/IMAGE, by CEPH_CONF). LOG gets one line for each object that
is about to be written; a line is there before the write is. Every write takes DELAY seconds longer than it has to.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from blue_wizard.migrate.transfer import engine, verify
from blue_wizard.migrate.transfer.file_reader import FileReader
from blue_wizard.migrate.transfer.file_writer import FileWriter
from blue_wizard.migrate.transfer.journal import Journal
from blue_wizard.migrate.transfer.nbd_reader import NbdReader
from blue_wizard.migrate.transfer.nbd_writer import NbdWriter
from blue_wizard.migrate.transfer.writer import Data, Done, Writer


def identity(source: str, target: str, size: int) -> dict[str, object]:
    """What the journal of such a copy says it speaks of."""
    return {"source": source, "target": target, "size": size}


class Logged:
    """A writer that tells what it is asked to write."""

    def __init__(self, inner: Writer, log: Path, object_size: int, delay: float) -> None:
        self._inner, self._object_size, self._delay = inner, object_size, delay
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.name = inner.name
        self.flush, self.close = inner.flush, inner.close

    def write(self, offset: int, data: Data, done: Done) -> None:
        os.write(self._log, f"{offset // self._object_size}\n".encode())
        time.sleep(self._delay)
        self._inner.write(offset, data, done)

    def zero(self, offset: int, length: int, done: Done) -> None:
        os.write(self._log, f"{offset // self._object_size}\n".encode())
        self._inner.zero(offset, length, done)


@contextlib.contextmanager
def _target(kind: str, target: str, size: int) -> Iterator[tuple[Writer, object]]:
    if kind == "file":
        yield FileWriter(Path(target), size), lambda: FileReader(Path(target))
    elif kind == "nbd":
        yield NbdWriter(target), lambda: NbdReader(target, size)
    else:
        from blue_wizard.config import CephAccess
        from blue_wizard.migrate.transfer.rbd_image import RbdImage
        from blue_wizard.reach import ceph

        pool_name, _slash, image = target.partition("/")
        access = CephAccess(conf=Path(os.environ["CEPH_CONF"]), client="admin", pool=pool_name)
        with ceph.open_pool(access, direct=True) as pool, contextlib.closing(RbdImage(pool, image)) as opened:
            yield opened, lambda: opened


def main(source: str, kind: str, target: str, size: str, journal: str, log: str, object_size: str, delay: str) -> None:
    """Copy, verify, and print the hash of what the target holds."""
    settings = engine.Settings(in_flight=8, readers=3, object_size=int(object_size))
    reader = FileReader(Path(source))
    notes = Journal(Path(journal), identity(source, target, int(size)))
    with _target(kind, target, int(size)) as (writer, read_back):
        logged = Logged(writer, Path(log), settings.object_size, float(delay))
        engine.copy(reader, logged, notes, fresh=True, settings=settings)
        work = engine.plan(reader, fresh=True, object_size=settings.object_size)
        expected = verify.Expected(work, notes)
        disk = read_back()  # type: ignore[operator]
        print(verify.sha256(disk, size=int(size), object_size=settings.object_size, expected=expected))


if __name__ == "__main__":
    main(*sys.argv[1:])
