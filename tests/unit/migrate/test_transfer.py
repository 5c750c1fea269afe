"""Copy and hash between real qemu-nbd processes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from blue_wizard.errors import Stopped
from blue_wizard.migrate import digest, transfer
from blue_wizard.reach import nbd

SIZE = (6 << 20) + 512


@pytest.fixture
def content(tmp_path: Path) -> Path:
    file = tmp_path / "source.raw"
    with file.open("wb") as f:
        f.truncate(SIZE)
        f.seek(3 << 20)
        f.write(b"in the middle " * 5000)
        f.seek(SIZE - 7)
        f.write(b"the end")
    return file


def _blank(tmp_path: Path, size: int) -> Path:
    file = tmp_path / "target.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", file, str(size)], check=True)
    return file


def _nothing(*_args: object) -> None:
    """No progress wanted, and no reason to stop."""


def test_a_copy_is_equal_and_leaves_holes_alone(content: Path, tmp_path: Path) -> None:
    target = _blank(tmp_path, 8 << 20)
    reports: list[tuple[int, int]] = []
    with (
        nbd.serve(nbd.file_node(content, "raw")) as source,
        nbd.serve(nbd.file_node(target, "qcow2"), writable=True) as sink,
    ):
        copied = transfer.copy(
            source, sink, size=SIZE, blank=True, progress=lambda d, t: reports.append((d, t)), pause_point=_nothing
        )
        hashes = [digest.sha256(u, SIZE, progress=_nothing, check_stop=_nothing) for u in (source, sink)]
        assert digest.rest_is_zero(sink, SIZE, 8 << 20, check_stop=_nothing)
    assert hashes == [hashlib.sha256(content.read_bytes()).hexdigest()] * 2
    assert 70_000 <= copied.moved < SIZE
    assert reports[-1] == (copied.moved, copied.moved)


def test_a_flipped_bit_changes_the_hash(content: Path) -> None:
    with nbd.serve(nbd.file_node(content, "raw")) as uri:
        before = digest.sha256(uri, SIZE, progress=_nothing, check_stop=_nothing)
    with content.open("r+b") as f:
        f.seek(3 << 20)
        f.write(b"I")
    with nbd.serve(nbd.file_node(content, "raw")) as uri:
        assert digest.sha256(uri, SIZE, progress=_nothing, check_stop=_nothing) != before


def test_what_lies_beyond_the_end_is_seen(content: Path) -> None:
    with nbd.serve(nbd.file_node(content, "raw")) as uri:
        assert not digest.rest_is_zero(uri, 4 << 20, SIZE, check_stop=_nothing)


def test_a_stop_ends_the_copy(content: Path, tmp_path: Path) -> None:
    def stop(_hold: object) -> None:
        raise Stopped("stop")

    with (
        nbd.serve(nbd.file_node(content, "raw")) as source,
        nbd.serve(nbd.file_node(_blank(tmp_path, 8 << 20), "qcow2"), writable=True) as sink,
        pytest.raises(Stopped),
    ):
        transfer.copy(source, sink, size=SIZE, blank=True, progress=_nothing, pause_point=stop)


def test_a_part_of_a_file_is_an_export(tmp_path: Path) -> None:
    file = tmp_path / "archive"
    file.write_bytes(b"h" * 1024 + b"body" * 512 + b"t" * 1024)
    with nbd.serve(nbd.file_node(file, "raw", offset=1024, size=2048)) as uri:
        assert (
            digest.sha256(uri, 2048, progress=_nothing, check_stop=_nothing)
            == hashlib.sha256(b"body" * 512).hexdigest()
        )


def test_nothing_moves_while_a_copy_is_paused(tmp_path: Path) -> None:
    states: list[str] = []
    children = Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/children")

    def copier() -> str:
        for pid in children.read_text().split():
            if Path(f"/proc/{pid}/comm").read_text().strip() == "nbdcopy":
                return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return "gone"

    def pause_once(hold: Callable[[bool], None]) -> None:
        if not states:
            hold(True)
            end = time.monotonic() + 5
            while copier() not in {"T", "gone"} and time.monotonic() < end:
                time.sleep(0.01)
            states.append(copier())
            hold(False)

    file = tmp_path / "big.raw"
    with file.open("wb") as f:
        f.write(os.urandom(1 << 20) * 256)
    with (
        nbd.serve(nbd.file_node(file, "raw")) as source,
        nbd.serve(nbd.file_node(_blank(tmp_path, 256 << 20), "qcow2"), writable=True) as sink,
    ):
        copied = transfer.copy(source, sink, size=256 << 20, blank=True, progress=_nothing, pause_point=pause_once)
    assert states == ["T"]
    assert copied.moved == 256 << 20
