"""The ways of a disk into RBD that bench/transfer.py compares, each in a process of its own.

Words: WAY FILE FORMAT SIZE MOVED POOL CONF IMAGE. Prints ``{"wall": s, "cpu": s, "peak": bytes}``: what the way itself took, its
start not counted; the CPU of all its processes; the most memory that they had at once (anonymous pages; the harness of a peer's
way is left out).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from blue_wizard.config import CephAccess
from blue_wizard.migrate.sources import open_source
from blue_wizard.migrate.transfer import engine, verify
from blue_wizard.migrate.transfer.journal import Journal
from blue_wizard.migrate.transfer.nbd_reader import NbdReader
from blue_wizard.migrate.transfer.rbd_image import RbdImage
from blue_wizard.reach import ceph, nbd

__all__ = ["WAYS", "Case"]


@dataclass(frozen=True)
class Case:
    """A source file and a blank image of its size. `moved` are the bytes of data in it."""

    file: Path
    fmt: str
    size: int
    moved: int
    pool: str
    conf: Path
    image: str

    @property
    def access(self) -> CephAccess:
        return CephAccess(conf=self.conf, client="admin", pool=self.pool)


def _run(*argv: str | Path) -> None:
    subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.DEVNULL)


def _ours(case: Case, *, read_back: bool) -> None:
    """As a migration does it: the source's own way to open the disk, per-object hashes, the journal."""
    source = open_source(f"files://{case.file}")
    with (
        tempfile.TemporaryDirectory(dir="/var/tmp") as folder,
        ceph.open_pool(case.access, direct=True) as pool,
        closing(RbdImage(pool, case.image)) as writer,
        source.open_disk(case.file.name, case.file.name) as export,
        closing(export.reader() if export.reader else NbdReader(export.uri, export.size)) as disk,
        closing(Journal(Path(folder) / "journal", {})) as notes,
    ):
        engine.copy(disk, writer, notes, fresh=True)
        if read_back:
            work = engine.plan(disk, fresh=True, object_size=engine.Settings().object_size)
            verify.sha256(writer, size=case.size, expected=verify.Expected(work, notes))


def _nbdcopy(case: Case) -> None:
    node = nbd.rbd_node(case.pool, case.image, conf=case.conf, client="admin")
    with nbd.serve(nbd.file_node(case.file, case.fmt)) as source, nbd.serve(node, writable=True) as target:
        _run("nbdcopy", "--flush", "--requests=64", "--destination-is-zero", source, target)


def _qemu_img(case: Case) -> None:
    target = f"rbd:{case.pool}/{case.image}:id=admin:conf={case.conf}"
    argv = ["qemu-img", "convert", "-n", "-m", "16", "-W", "--target-is-zero", "-f", case.fmt, "-O", "raw"]
    _run(*argv, case.file, target)


def _rbd_import(case: Case, file: Path) -> None:
    # It makes its image itself.
    _run("rbd", "--conf", case.conf, "rm", "--no-progress", f"{case.pool}/{case.image}")
    _run("rbd", "--conf", case.conf, "import", "--no-progress", file, f"{case.pool}/{case.image}")


def _import_raw(case: Case) -> None:
    _rbd_import(case, case.file.with_suffix(".raw"))


def _two_phase(case: Case) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        staged = Path(folder) / "staged.raw"
        _run("qemu-img", "convert", "-f", case.fmt, "-O", "raw", case.file, staged)
        _rbd_import(case, staged)


def _limit(case: Case) -> None:
    argv = ["rbd", "--conf", case.conf, "bench", "--io-type", "write", "--io-pattern", "seq", "--rbd-cache=false"]
    total = case.moved // (4 << 20) * (4 << 20)
    _run(*argv, "--io-size", "4M", "--io-threads", "16", "--io-total", str(total), f"{case.pool}/{case.image}")


WAYS: dict[str, Callable[[Case], None]] = {
    "ours": lambda case: _ours(case, read_back=False),
    "ours, read back": lambda case: _ours(case, read_back=True),
    "nbdcopy": _nbdcopy,
    "qemu-img": _qemu_img,
    "rbd import": _import_raw,
    "two-phase": _two_phase,
    "rbd bench": _limit,
}


def _memory(root: int) -> dict[int, int]:
    """Anonymous memory in bytes by process, of `root` and all below it."""
    found = {}
    todo = [root]
    while todo:
        pid = todo.pop()
        try:
            words = Path(f"/proc/{pid}/status").read_text()
            found[pid] = next(int(x.split()[1]) << 10 for x in words.splitlines() if x.startswith("RssAnon"))
            for task in Path(f"/proc/{pid}/task").iterdir():
                todo += [int(c) for c in (task / "children").read_text().split()]
        except (OSError, StopIteration):
            continue
    return found


def main(way: str, file: str, fmt: str, size: str, moved: str, pool: str, conf: str, image: str) -> None:
    """Go one way, and print what it took."""
    case = Case(Path(file), fmt, int(size), int(moved), pool, Path(conf), image)
    peak = 0
    over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.05):
            found = _memory(os.getpid())
            peak = max(peak, sum(n for pid, n in found.items() if way.startswith("ours") or pid != os.getpid()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    before, began = os.times(), time.monotonic()
    try:
        WAYS[way](case)
    finally:
        wall, after = time.monotonic() - began, os.times()
        over.set()
        watcher.join()
    print(json.dumps({"wall": wall, "cpu": sum(after[:4]) - sum(before[:4]), "peak": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
