"""A copy is killed (-9) at random moments until it gets through: its target is right, and nothing is written twice."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blue_wizard.migrate.transfer.journal import Journal
from blue_wizard.reach import nbd

from .copier import identity

COPIER = Path(__file__).with_name("copier.py")
OBJECT = 1 << 20
SIZE = (200 << 20) + 777
# Another sequence of kills every day; BW_SEED repeats one.
SEED = os.environ.get("BW_SEED") or time.strftime("%Y-%m-%d")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk with data of many sizes, holes between, and zeroes that are stored."""
    file = tmp_path_factory.mktemp("source") / "disk.raw"
    draw = random.Random(SEED)  # noqa: S311
    with file.open("wb") as f:
        f.truncate(SIZE)
        at = 0
        while at < SIZE:
            length = min(draw.choice((4096, 100_000, 3 << 20, 9 << 20)), SIZE - at)
            kind = draw.choice(("data", "data", "hole", "zeroes"))
            if kind != "hole":
                f.seek(at)
                f.write(draw.randbytes(length) if kind == "data" else bytes(length))
            at += length
        f.seek(SIZE - 5)
        f.write(b"last.")
    return file


@contextlib.contextmanager
def _target(kind: str, folder: Path) -> Iterator[tuple[str, Path, str]]:
    """What the copier is told, the file behind it, and its format."""
    if kind == "file":
        yield str(folder / "target.raw"), folder / "target.raw", "raw"
        return
    file = folder / "target.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", file, str(SIZE)], check=True)
    with nbd.serve(nbd.file_node(file, "qcow2"), writable=True) as uri:
        yield uri, file, "qcow2"


@pytest.mark.parametrize("kills", [4, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["file", "nbd"])
def test_killed_at_random(source: Path, tmp_path: Path, kind: str, kills: int) -> None:
    draw = random.Random(f"{SEED} {kind} {kills}")  # noqa: S311
    print(f"seed {SEED}")
    journal, log = tmp_path / "journal", tmp_path / "log"
    killed = resumed = 0
    with _target(kind, tmp_path) as (target, file, fmt):
        argv = [str(source), kind, target, str(SIZE), str(journal), str(log), str(OBJECT), str(0.004 * kills)]
        done: set[int] = set()
        while True:
            log.write_text("")
            with subprocess.Popen([sys.executable, str(COPIER), *argv], stdout=subprocess.PIPE, text=True) as child:
                assert child.stdout is not None
                if killed < kills:
                    _until_it_writes(log, child)
                    time.sleep(draw.uniform(0, 0.8))
                    child.kill()
                printed = child.stdout.read()
            again = {int(n) for n in log.read_text().split()} & done
            assert again == set(), f"seed {SEED}: objects {sorted(again)[:5]} were written after they were noted"
            if child.returncode == 0:
                break
            assert child.returncode == -9, f"seed {SEED}"
            killed += 1
            with contextlib.closing(Journal(journal, identity(argv[0], target, SIZE))) as notes:
                done = {r.index for r in notes.records() if r.written}
            resumed = max(resumed, len(done))
        expected = hashlib.sha256(source.read_bytes()).hexdigest()
        assert printed.strip() == expected, f"seed {SEED}"
    raw = tmp_path / "check.raw"
    subprocess.run(["qemu-img", "convert", "-f", fmt, "-O", "raw", file, raw], check=True)
    with raw.open("rb") as f:
        assert hashlib.sha256(f.read(SIZE)).hexdigest() == expected, f"seed {SEED}"
    assert killed, "the copy was never killed"
    assert resumed, "no attempt left anything that the next one could build on"


def _until_it_writes(log: Path, child: subprocess.Popen[str]) -> None:
    while not log.stat().st_size and child.poll() is None:
        time.sleep(0.002)
