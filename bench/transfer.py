"""The ways of a disk into RBD side by side, on the lab's Ceph: wall time, CPU of all processes, peak memory.

Rounds are interleaved; medians are printed, and their ratio to the best peer. The disk is sparse, its data can't be compressed. The
lab has to be up (`make bench` sees to it). With `--at-once N` that many disks are copied by our way at once, against `rbd bench`
with as many bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.ways import WAYS
from lab.site import exports

IMAGE = "bench-transfer"
FORMATS = {
    "vmdk": ("vmdk", []),
    "qcow2": ("qcow2", []),
    "vmdk, streamOptimized": ("vmdk", ["-o", "subformat=streamOptimized"]),
    "qcow2, compressed": ("qcow2", ["-c"]),
}
MIB = 1 << 20


def _make_disk(file: Path, size: int, data: int) -> None:
    """Runs of 1 to 16 MiB of random bytes, spread over the disk until there are `data` of them."""
    draw = random.Random(file.name)  # noqa: S311
    with file.open("wb") as f:
        f.truncate(size)
        left, at = data, 0
        while left > 0:
            length = min(left, draw.randint(1, 16) * MIB)
            f.seek(at)
            f.write(os.urandom(length))
            left -= length
            # What is left of the disk, shared out over the runs that are still to come.
            hole = (size - at - length - left) // max(1, left // (8 * MIB))
            at += length + draw.randint(0, max(0, hole)) // 4096 * 4096


def _rbd(conf: Path, *args: str) -> None:
    subprocess.run(["rbd", "--conf", str(conf), *args], check=True, capture_output=True)


def _start(way: str, words: list[str], image: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "bench.ways", way, *words, image]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def _measure(way: str, words: list[str], conf: Path, pool: str, size: int, count: int = 1) -> dict[str, float]:
    """`count` disks at once by one way."""
    images = [f"{IMAGE}-{i}" for i in range(count)]
    for image in images:
        _rbd(conf, "create", "--size", f"{size}B", f"{pool}/{image}")
    try:
        children = [_start(way, words, image) for image in images]
        found = []
        for child in children:
            out, _none = child.communicate()
            if child.returncode != 0:
                raise SystemExit(f"{way}: exit {child.returncode}")
            found.append(json.loads(out))
    finally:
        for image in images:
            _rbd(conf, "rm", "--no-progress", f"{pool}/{image}")
    return {
        "wall": max(f["wall"] for f in found),
        "cpu": sum(f["cpu"] for f in found),
        "peak": sum(f["peak"] for f in found),
    }


def _print(rows: dict[str, list[dict[str, float]]]) -> None:
    median = {w: {k: statistics.median(f[k] for f in found) for k in found[0]} for w, found in rows.items()}
    peers = [w for w in median if not w.startswith("ours") and w != "rbd bench"]
    best = min((median[w]["wall"] for w in peers), default=None)
    for way, m in median.items():
        ratio = f"{m['wall'] / best:5.2f} of the best peer" if best else ""
        runs = ", ".join(f"{f['wall']:.1f}" for f in rows[way])
        print(f"  {way:<18}{m['wall']:7.2f} s  CPU {m['cpu']:6.2f} s  {m['peak'] / MIB:6.0f} MiB  {ratio}   ({runs})")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=6144, help="MiB of the disk")
    parser.add_argument("--data", type=int, default=1700, help="MiB of data in it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pool", default="volumes")
    parser.add_argument("--formats", nargs="*", default=list(FORMATS), choices=list(FORMATS))
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--at-once", type=int, default=4, help="disks; 0 leaves this part out")
    o = parser.parse_args()
    conf, size = Path(exports()["CEPH_CONF"]), o.size * MIB
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        raw = Path(scratch) / "disk.raw"
        _make_disk(raw, size, o.data * MIB)
        for name in o.formats:
            fmt, options = FORMATS[name]
            file = Path(scratch) / f"disk.{fmt}"
            subprocess.run(["qemu-img", "convert", "-O", fmt, *options, raw, file], check=True)
            words = [str(file), fmt, str(size), str(o.data * MIB), o.pool, str(conf)]
            rows: dict[str, list[dict[str, float]]] = {way: [] for way in o.ways}
            for _round in range(o.rounds):
                for way in o.ways:
                    rows[way].append(_measure(way, words, conf, o.pool, size))
            print(f"{name}: {o.size} MiB, {o.data} MiB of data")
            _print(rows)
        if o.at_once:
            file = Path(scratch) / "disk.qcow2"
            subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, file], check=True)
            words = [str(file), "qcow2", str(size), str(o.data * MIB), o.pool, str(conf)]
            several = {
                way: [_measure(way, words, conf, o.pool, size, o.at_once) for _r in range(o.rounds)]
                for way in ("ours", "rbd bench")
            }
            print(f"{o.at_once} disks at once, qcow2, {o.data} MiB each")
            _print(several)


if __name__ == "__main__":
    main()
