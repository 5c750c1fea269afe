"""The copy of a disk into RBD, ours against `qemu-img convert` as it is tuned best, side by side in one run.

Prints one line a way, and the ratio. The lab has to be up (`make bench` sees to it). Interleaved rounds; medians.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from blue_wizard.config import CephAccess
from blue_wizard.migrate import digest, transfer
from blue_wizard.reach import nbd
from lab.guests import cache
from lab.site import exports

ROUNDS = 3
POOL = "volumes"
IMAGE = "bench-transfer"


def _nothing(*_args: object) -> None:
    """No progress wanted, and no reason to stop."""


def _rbd(conf: Path, *args: str) -> None:
    subprocess.run(["rbd", "--conf", str(conf), *args], check=True, capture_output=True)


def _ours(conf: Path, source: Path, size: int, *, hashed: bool) -> None:
    access = CephAccess(conf=conf, client="cinder", pool=POOL)
    node = nbd.rbd_node(POOL, IMAGE, conf=conf, client=access.client)
    with nbd.serve(nbd.file_node(source, "vmdk")) as disk, nbd.serve(node, writable=True) as target:
        transfer.copy(disk, target, size=size, blank=True, progress=_nothing, pause_point=_nothing)
        if hashed:
            hashes = {digest.sha256(u, size, progress=_nothing, check_stop=_nothing) for u in (disk, target)}
            assert len(hashes) == 1, "the copy differs from its source"


def _qemu_img(conf: Path, source: Path) -> None:
    target = f"rbd:{POOL}/{IMAGE}:id=cinder:conf={conf}"
    argv = ["qemu-img", "convert", "-n", "-m", "16", "-W", "--target-is-zero", "-f", "vmdk", "-O", "raw"]
    subprocess.run([*argv, str(source), target], check=True)


def main() -> None:
    """Measure and print."""
    conf = Path(exports()["CEPH_CONF"])
    raw = cache.get("debian")
    size = raw.stat().st_size
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        source = Path(scratch) / "disk.vmdk"
        subprocess.run(["qemu-img", "convert", "-O", "vmdk", str(raw), str(source)], check=True)
        ways: dict[str, Callable[[], None]] = {
            "ours, copy alone": lambda: _ours(conf, source, size, hashed=False),
            "ours, with SHA-256 of both sides": lambda: _ours(conf, source, size, hashed=True),
            "qemu-img convert -n -m 16 -W": lambda: _qemu_img(conf, source),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _round in range(ROUNDS):
            for name, way in ways.items():
                _rbd(conf, "create", "--size", f"{size >> 20}M", f"{POOL}/{IMAGE}")
                try:
                    began = time.monotonic()
                    way()
                    seconds[name].append(time.monotonic() - began)
                finally:
                    _rbd(conf, "rm", f"{POOL}/{IMAGE}")
    peer = statistics.median(seconds["qemu-img convert -n -m 16 -W"])
    for name, found in seconds.items():
        median = statistics.median(found)
        print(
            f"{name:<36} {median:7.2f} s   {median / peer:5.2f} of qemu-img   ({', '.join(f'{s:.2f}' for s in found)})"
        )


if __name__ == "__main__":
    main()
