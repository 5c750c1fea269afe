"""What the storage host's disks hold, as a hash."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.storage.machine import Drive, Machine

MIB = 1 << 20


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "disks").mkdir()
    return Machine(tmp_path, tmp_path, "m", "10.0.0.2", "10.0.0.1", "tap")


def _write(machine: Machine, drive: Drive, at: int, data: bytes) -> None:
    with machine.file(drive).open("r+b") as f:
        f.seek(at)
        f.write(data)


def test_a_single_byte_shows_and_zeros_do_not(machine: Machine) -> None:
    drive = Drive("hdd1", 1, "SN")
    with machine.file(drive).open("wb") as f:
        f.truncate(64 * MIB)
    _write(machine, drive, 0, b"table")
    _write(machine, drive, 20 * MIB + 5, b"data")
    whole, ends = machine.fingerprint(drive, whole=True), machine.fingerprint(drive, whole=False)
    _write(machine, drive, 40 * MIB, bytes(MIB))
    assert machine.fingerprint(drive, whole=True) == whole
    _write(machine, drive, 20 * MIB + 6, b"A")
    assert machine.fingerprint(drive, whole=True) != whole
    assert machine.fingerprint(drive, whole=False) == ends, "its tables are as they were"
    _write(machine, drive, 64 * MIB - 1, b"x")
    assert machine.fingerprint(drive, whole=False) != ends
