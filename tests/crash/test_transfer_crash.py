"""A copy is killed (-9) at random moments until it gets through: its target is right, and nothing is written twice."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from blue_wizard.reach import nbd

from .copies import SEED, kill_until_done, make_disk

OBJECT = 1 << 20
SIZE = (200 << 20) + 777


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("source") / "disk.raw"
    make_disk(file, SIZE)
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
    with _target(kind, tmp_path) as (target, file, fmt):
        expected = kill_until_done(source, kind, target, tmp_path, kills=kills, object_size=OBJECT)
    raw = tmp_path / "check.raw"
    subprocess.run(["qemu-img", "convert", "-f", fmt, "-O", "raw", file, raw], check=True)
    with raw.open("rb") as f:
        assert hashlib.sha256(f.read(SIZE)).hexdigest() == expected, f"seed {SEED}"
