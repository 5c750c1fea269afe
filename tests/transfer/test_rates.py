"""Limits of bandwidth by the clock on the wall: what a copy moves in a minute, and when its limits change under it."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blue_wizard import config
from blue_wizard.migrate.transfer import engine, limits
from blue_wizard.migrate.transfer.file_reader import FileReader
from blue_wizard.migrate.transfer.file_writer import FileWriter
from blue_wizard.migrate.transfer.journal import Journal

pytestmark = pytest.mark.slow
MIB = 1 << 20
SETTLE_S = 3.0


class Meter:
    """A copy that runs beside the test, and what it has moved so far."""

    def __init__(self) -> None:
        self.moved = 0

    def progress(self, done: int, _total: int) -> None:
        self.moved = done

    def rate(self, seconds: float) -> float:
        """MiB per second over the next so many seconds."""
        before, began = self.moved, time.monotonic()
        time.sleep(seconds)
        return (self.moved - before) / (time.monotonic() - began) / MIB


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of the process that copies."""
    file = tmp_path / "config.yaml"
    file.write_text("{}\n")
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
    config.load.cache_clear()
    return file


@contextlib.contextmanager
def copying(folder: Path, size: int, max_rate: str) -> Iterator[Meter]:
    """Copy a disk full of data within the limits of the configuration and `max_rate`, until the context ends."""
    source, block = folder / "source.raw", random.Random(1).randbytes(4 * MIB)  # noqa: S311
    with source.open("wb") as f:
        for _n in range(size // len(block)):
            f.write(block)
    meter, over = Meter(), threading.Event()

    def until_over(_hold: object) -> None:
        if over.is_set():
            raise InterruptedError

    def copy() -> None:
        with contextlib.suppress(InterruptedError):
            engine.copy(
                FileReader(source),
                FileWriter(folder / "target.raw", size),
                Journal(folder / "journal", {}),
                fresh=True,
                throttles=limits.buckets(source="s", pool="p", job="j", max_rate=max_rate),
                progress=meter.progress,
                pause_point=until_over,
            )

    thread = threading.Thread(target=copy)
    thread.start()
    try:
        time.sleep(SETTLE_S)
        yield meter
        assert thread.is_alive(), "the disk was too small for this measurement"
    finally:
        over.set()
        thread.join()


def test_a_limit_holds_for_a_minute(settings: Path, tmp_path: Path) -> None:
    with copying(tmp_path, 1600 * MIB, "20M") as meter:
        assert meter.rate(60) == pytest.approx(20, rel=0.1)


def test_of_two_limits_the_lower_holds_and_a_change_is_felt(settings: Path, tmp_path: Path) -> None:
    _say(settings, "40M")
    with copying(tmp_path, 2400 * MIB, "20M") as meter:
        assert meter.rate(20) == pytest.approx(20, rel=0.1)
        _say(settings, "8M")
        time.sleep(SETTLE_S)
        assert meter.rate(20) == pytest.approx(8, rel=0.1)
        _say(settings, "40M")
        time.sleep(SETTLE_S)
        assert meter.rate(20) == pytest.approx(20, rel=0.1)


def _say(settings: Path, total: str) -> None:
    new = settings.with_suffix(".new")
    new.write_text(f"transfer: {{max_rate: {total}}}\n")
    new.replace(settings)
