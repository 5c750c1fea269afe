"""All data of a compressed disk, read by our readers and by QEMU's, into nothing. Needs no lab.

Prints one line a way: wall and CPU seconds, MB/s of the disk's data, and the ratios to the faster of QEMU's two ways. Interleaved
rounds; medians. The disk is made of this machine's own programs and libraries, which compress as a guest's do.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from blue_wizard.migrate.formats import open_image
from blue_wizard.reach import nbd

ROUNDS = 3
THREADS = 2
DATA, DISK = 768 << 20, 2 << 30
OBJECT = 4 << 20
KINDS = {
    "streamOptimized VMDK": ("vmdk", ["-o", "subformat=streamOptimized"]),
    "QCOW2, zlib": ("qcow2", ["-c"]),
    "QCOW2, zstd": ("qcow2", ["-c", "-o", "compression_type=zstd"]),
}


def _disk(file: Path) -> int:
    """A sparse raw disk of this machine's files; how many bytes of it hold data."""
    done = 0
    with file.open("wb") as out:
        for folder in (Path("/usr/lib/x86_64-linux-gnu"), Path("/usr/bin"), Path("/usr/lib"), Path("/usr/share")):
            for source in sorted(folder.rglob("*")):
                if done >= DATA:
                    break
                if source.is_file() and not source.is_symlink() and os.access(source, os.R_OK):
                    text = source.read_bytes()[: DATA - done]
                    # A hole now and then, as file systems leave them.
                    out.seek(done * 2 if done < DISK // 4 else done + DISK // 4)
                    out.write(text)
                    done += -(-len(text) // 4096) * 4096
        out.truncate(DISK)
    return done


def _ours(file: Path) -> None:
    image = open_image(file)
    assert image is not None
    ranges = [
        (at, min(OBJECT, e.end - at)) for e in image.extents() if not e.zero for at in range(e.offset, e.end, OBJECT)
    ]
    with ThreadPoolExecutor(THREADS) as threads:
        for _data in threads.map(lambda r: len(image.read(*r)), ranges):
            pass
    image.close()


def _qemu_img(fmt: str, file: Path) -> None:
    target = f"driver=null-co,size={DISK},read-zeroes=on"
    argv = ["qemu-img", "convert", "-n", "-m", "16", "-W", "--target-is-zero", "-f", fmt, "--target-image-opts"]
    subprocess.run([*argv, str(file), target], check=True)


def _nbdcopy(fmt: str, file: Path) -> None:
    with nbd.serve(nbd.file_node(file, fmt)) as uri:
        subprocess.run(["nbdcopy", "--requests=64", uri, "null:"], check=True)


def _cpu() -> float:
    t = os.times()
    return t.user + t.system + t.children_user + t.children_system


def main() -> None:
    """Measure and print."""
    print(f"load when it began: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {THREADS} threads of ours")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        raw = Path(scratch) / "disk.raw"
        size = _disk(raw)
        for title, (fmt, options) in KINDS.items():
            file = Path(scratch) / f"disk.{fmt}"
            subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", fmt, *options, str(raw), str(file)], check=True)
            ways: dict[str, Callable[[], None]] = {
                "ours": lambda file=file: _ours(file),  # type: ignore[misc]
                "qemu-img convert -m 16 -W": lambda file=file, fmt=fmt: _qemu_img(fmt, file),  # type: ignore[misc]
                "nbdcopy from qemu-nbd": lambda file=file, fmt=fmt: _nbdcopy(fmt, file),  # type: ignore[misc]
            }
            _compare(title, ways, size)
            file.unlink()


def _compare(title: str, ways: dict[str, Callable[[], None]], size: int) -> None:
    walls: dict[str, list[float]] = {name: [] for name in ways}
    cpus: dict[str, list[float]] = {name: [] for name in ways}
    for _round in range(ROUNDS):
        for name, way in ways.items():
            began, cpu = time.monotonic(), _cpu()
            way()
            walls[name].append(time.monotonic() - began)
            cpus[name].append(_cpu() - cpu)
    wall = {name: statistics.median(found) for name, found in walls.items()}
    best = min((name for name in ways if name != "ours"), key=lambda name: wall[name])
    print(f"{title}: {size >> 20} MiB of data")
    for name in ways:
        cpu, peers = statistics.median(cpus[name]), statistics.median(cpus[best])
        ratios = f"wall {wall[name] / wall[best]:4.2f}, CPU {cpu / peers:4.2f} of the best peer's"
        print(
            f"  {name:<26} {wall[name]:6.2f} s {size / wall[name] / 1e6:6.0f} MB/s  CPU {cpu:6.2f} s  {ratios}   "
            f"({', '.join(f'{s:.2f}' for s in walls[name])})"
        )


if __name__ == "__main__":
    main()
