"""Block devices over a real SSH server: what is read is what is there, and what can't be read is told."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.physical_points import SpooledReader
from blue_wizard.migrate.sources.physical import DiskReader
from blue_wizard.reach import ssh
from blue_wizard.reach.blocks import BlockDevice, Piece

from .conftest import Site

MIB = 1 << 20


@pytest.fixture
def host(site: Site) -> ssh.Host:
    site.write(hosts={"metal": site.at(site.servers.main)})
    return ssh.host("metal")


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A file stands for the device: dd reads both alike, past the page cache too."""
    file = tmp_path / "disk"
    # Zeroes, data, zeroes that end in data, and an end that is no whole mebibyte.
    file.write_bytes(bytes(4 * MIB) + os.urandom(4 * MIB) + bytes(4 * MIB - 1) + b"x" + os.urandom(512 * 3))
    return file


def test_everything_is_read_by_several_threads(host: ssh.Host, disk: Path) -> None:
    size = disk.stat().st_size
    with closing(DiskReader(host, str(disk), size)) as reader:
        assert [(e.offset, e.length, e.zero) for e in reader.extents()] == [(0, size, False)]
        places = range(0, size, 4 * MIB)
        with ThreadPoolExecutor(6) as threads:
            parts = list(threads.map(lambda at: reader.read(at, min(4 * MIB, size - at)), places))
        assert b"".join(parts) == disk.read_bytes()
        assert reader.read(5 * MIB + 512, 1024) == disk.read_bytes()[5 * MIB + 512 :][:1024]


def test_pieces_come_from_elsewhere(host: ssh.Host, disk: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot"
    snapshot.write_bytes(os.urandom(MIB))
    pieces = [Piece(5 * MIB, MIB, str(snapshot), 0), Piece(7 * MIB, MIB, "", 0)]
    with closing(BlockDevice(host, str(disk), disk.stat().st_size, pieces=pieces)) as device:
        expected = bytearray(disk.read_bytes())
        expected[5 * MIB : 6 * MIB] = snapshot.read_bytes()
        expected[7 * MIB : 8 * MIB] = bytes(MIB)
        assert device.read(4 * MIB, 4 * MIB) == expected[4 * MIB : 8 * MIB]


def test_a_device_that_is_gone_is_named(host: ssh.Host, tmp_path: Path) -> None:
    with (
        closing(BlockDevice(host, str(tmp_path / "sdz"), MIB, name="metal/sdz")) as device,
        pytest.raises(StepFailed, match=r"metal/sdz can't be read at byte 0: .*No such file"),
    ):
        device.read(0, MIB)


def test_a_host_that_goes_away_is_told(host: ssh.Host, disk: Path) -> None:
    with closing(BlockDevice(host, str(disk), disk.stat().st_size)) as device:
        device.read(4 * MIB, MIB)
        ssh.wait(_cut(host))
        with pytest.raises(StepFailed):
            device.read(4 * MIB, MIB)
        # A connection is made anew for whoever asks next.
        assert device.read(4 * MIB, MIB) == disk.read_bytes()[4 * MIB : 5 * MIB]


async def _cut(host: ssh.Host) -> None:
    (await host.open()).abort()


class _Restless:
    """A disk that is another each time it is read."""

    size, name = 10 * MIB, "restless"

    def __init__(self) -> None:
        self.reads, self._lock = 0, threading.Lock()

    def extents(self) -> object: ...

    def read(self, offset: int, length: int) -> bytes:
        with self._lock:
            self.reads += 1
            return bytes([self.reads]) * length

    def close(self) -> None: ...


def test_what_was_read_twice_stays_as_it_was() -> None:
    source = _Restless()
    with closing(SpooledReader(source)) as reader:  # type: ignore[arg-type]
        assert reader.read(0, 10 * MIB)[:1] == b"\1"
        second = reader.read(4 * MIB, 4 * MIB)
        assert second == bytes([4]) * (4 * MIB)
        assert reader.read(5 * MIB, MIB) == second[:MIB]
        with ThreadPoolExecutor(4) as threads:
            assert set(threads.map(lambda _i: bytes(reader.read(9 * MIB, MIB)), range(8))) == {bytes([5]) * MIB}
