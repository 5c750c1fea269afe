"""Readers and writers on real files and real qemu-nbd processes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.extents import Reader
from blue_wizard.migrate.transfer import engine, planner, verify
from blue_wizard.migrate.transfer.file_reader import FileReader
from blue_wizard.migrate.transfer.file_writer import FileWriter
from blue_wizard.migrate.transfer.journal import Journal
from blue_wizard.migrate.transfer.nbd_reader import NbdReader
from blue_wizard.migrate.transfer.nbd_writer import NbdWriter
from blue_wizard.reach import nbd

from .disks import Disk

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


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _moved(reader: Reader) -> int:
    return planner.summary(engine.plan(reader, fresh=True, object_size=1 << 20)).moved


def test_a_file_is_read_by_its_holes(content: Path) -> None:
    reader = FileReader(content)
    assert reader.size == SIZE
    assert 70_000 <= _moved(reader) < 1 << 20
    assert verify.sha256(reader) == _sha256(content)


@pytest.mark.parametrize("size", [1, 511, 4097])
def test_a_file_of_any_size(tmp_path: Path, size: int) -> None:
    file = tmp_path / "odd.raw"
    file.write_bytes(b"x" * size)
    assert verify.sha256(FileReader(file)) == _sha256(file)


def test_a_part_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "archive"
    file.write_bytes(b"h" * 1024 + b"body" * 512 + b"t" * 1024)
    part = FileReader(file, offset=1024, size=2048)
    assert verify.sha256(part) == hashlib.sha256(b"body" * 512).hexdigest()
    with pytest.raises(StepFailed, match="cut off"):
        FileReader(file, offset=4000, size=2048)


def test_a_file_that_is_cut_off_under_us(content: Path) -> None:
    reader = FileReader(content)
    os.truncate(content, SIZE // 2)
    with pytest.raises(StepFailed, match="cut off: it ends at byte"):
        reader.read(SIZE // 2 - 100, 200)


def test_a_file_that_vanishes_or_is_replaced(content: Path) -> None:
    reader = FileReader(content)
    before = reader.stamp()
    content.with_suffix(".new").write_bytes(content.read_bytes())
    content.with_suffix(".new").rename(content)
    assert reader.stamp() != before
    content.unlink()
    with pytest.raises(StepFailed, match="has vanished"):
        reader.stamp()
    with pytest.raises(StepFailed, match="has vanished"):
        FileReader(content)


def test_an_export_is_read_by_its_block_status(content: Path) -> None:
    with nbd.serve(nbd.file_node(content, "raw")) as uri:
        reader = NbdReader(uri, SIZE, name="m/disk")
        assert 70_000 <= _moved(reader) < SIZE
        assert verify.sha256(reader) == _sha256(content)
        reader.close()


def test_an_export_that_is_too_short(content: Path) -> None:
    with nbd.serve(nbd.file_node(content, "raw")) as uri, pytest.raises(StepFailed, match="m/disk is cut off"):
        NbdReader(uri, SIZE + 4096, name="m/disk")


def test_an_nbd_server_that_is_killed_is_named(content: Path) -> None:
    with nbd.serve(nbd.file_node(content, "raw")) as uri:
        reader = NbdReader(uri, SIZE, name="m/disk")
    with pytest.raises(StepFailed, match="NBD server of m/disk is gone"):
        reader.read(0, 512)


def test_an_nbd_server_that_ends_midway_is_named_and_what_stands_is_noted(tmp_path: Path) -> None:
    file = tmp_path / "full.raw"
    file.write_bytes(os.urandom(4 << 20))
    target, asked = Disk(4 << 20), 0
    with contextlib.ExitStack() as server, contextlib.closing(Journal(tmp_path / "j", {})) as notes:
        reader = NbdReader(server.enter_context(nbd.serve(nbd.file_node(file, "raw"))), 4 << 20, name="m/disk")

        def end_it(_length: int) -> float:
            nonlocal asked
            asked += 1
            if asked == 20:
                server.close()
            return 0.0

        with pytest.raises(StepFailed, match="NBD server of m/disk is gone"):
            engine.copy(
                reader, target, notes, fresh=True, settings=engine.Settings(readers=2, object_size=65536),
                throttles=[end_it],
            )  # fmt: skip
        assert {r.index for r in notes.records()} == {offset // 65536 for offset, _length in target.writes}
        assert len(notes) >= 10


def test_a_part_of_a_file_is_an_export(tmp_path: Path) -> None:
    file = tmp_path / "archive"
    file.write_bytes(b"h" * 1024 + b"body" * 512 + b"t" * 1024)
    with nbd.serve(nbd.file_node(file, "raw", offset=1024, size=2048)) as uri:
        assert verify.sha256(NbdReader(uri, 2048)) == hashlib.sha256(b"body" * 512).hexdigest()


def test_a_flipped_bit_changes_the_hash(content: Path) -> None:
    before = verify.sha256(FileReader(content))
    with content.open("r+b") as f:
        f.seek(3 << 20)
        f.write(b"I")
    assert verify.sha256(FileReader(content)) != before


def test_what_lies_beyond_the_end_is_seen(content: Path) -> None:
    with pytest.raises(StepFailed, match=f"from byte {6 << 20} on"):
        verify.sha256(FileReader(content), size=4 << 20)


def test_into_a_qcow2_and_a_delta_on_top(content: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", target, str(8 << 20)], check=True)
    with nbd.serve(nbd.file_node(target, "qcow2"), writable=True) as uri:
        writer, reader = NbdWriter(uri), FileReader(content)
        engine.copy(reader, writer, Journal(tmp_path / "j1", {}), fresh=True)
        assert verify.sha256(NbdReader(uri, 8 << 20), size=SIZE) == _sha256(content)
        # The middle becomes a hole, and the end something else: zeroes have to be written over what is there.
        os.truncate(content, 3 << 20)
        os.truncate(content, SIZE)
        with content.open("r+b") as f:
            f.seek(SIZE - 7)
            f.write(b"another")
        ranges = [(3 << 20, 1 << 20), (SIZE - 512, 512)]
        engine.copy(FileReader(content), writer, Journal(tmp_path / "j2", {}), fresh=False, ranges=ranges)
        assert verify.sha256(NbdReader(uri, 8 << 20), size=SIZE) == _sha256(content)
        writer.close()


def test_into_a_plain_file_and_a_delta_on_top(content: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.raw"
    writer = FileWriter(target, SIZE)
    engine.copy(FileReader(content), writer, Journal(tmp_path / "j1", {}), fresh=True)
    assert target.read_bytes() == content.read_bytes()
    assert target.stat().st_blocks * 512 < 1 << 20
    content.write_bytes(bytes(SIZE))
    engine.copy(
        FileReader(content), writer, Journal(tmp_path / "j2", {}), fresh=False, ranges=[(0, 4 << 20), (3 << 20, SIZE)]
    )
    assert target.read_bytes() == bytes(SIZE)
    writer.close()
