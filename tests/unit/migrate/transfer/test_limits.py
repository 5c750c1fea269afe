"""Token buckets under a clock of the test's own, free space, and limits that change under a running worker."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from blue_wizard import config
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.migrate.transfer import engine, limits
from blue_wizard.migrate.transfer.engine import Settings
from blue_wizard.migrate.transfer.journal import Journal
from blue_wizard.migrate.transfer.limits import Bucket
from blue_wizard.migrate.transfer.space import SpaceGuard

from .disks import Disk, reader_of

MIB = 1 << 20


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _run(seconds: float, clock: Clock, buckets: list[Bucket], length: int = 4 * MIB) -> int:
    """How much one greedy reader moves in so many seconds, when moving itself takes no time."""
    end, moved = clock.now + seconds, 0
    while clock.now < end:
        for bucket in buckets:
            while wait := bucket(length):
                clock.now += wait
        moved += length
        clock.now += 0.0001
    return moved


@pytest.mark.parametrize("rate", [3 * MIB, 20 * MIB, 200 * MIB, 3000 * MIB])
def test_a_limit_holds_within_a_tenth_over_a_minute(rate: int) -> None:
    clock = Clock()
    moved = _run(60, clock, [Bucket(lambda: rate, clock)])
    assert 0.9 * rate * 60 <= moved <= 1.1 * rate * 60


def test_of_two_limits_the_lower_one_holds() -> None:
    clock = Clock()
    moved = _run(60, clock, [Bucket(lambda: 50 * MIB, clock), Bucket(lambda: 20 * MIB, clock)])
    assert 0.9 * 20 * MIB * 60 <= moved <= 1.1 * 20 * MIB * 60


def test_two_disks_share_a_limit() -> None:
    clock = Clock()
    shared = Bucket(lambda: 20 * MIB, clock)
    moved = [0, 0]
    end = clock.now + 60
    while clock.now < end:
        for i in range(2):
            if not shared(4 * MIB):
                moved[i] += 4 * MIB
        clock.now += 0.01
    assert 0.9 * 20 * MIB * 60 <= sum(moved) <= 1.1 * 20 * MIB * 60


def test_a_limit_that_changes_is_felt_at_once() -> None:
    clock = Clock()
    rate: list[float | None] = [2.0 * MIB]
    bucket = Bucket(lambda: rate[0], clock)
    _run(10, clock, [bucket], 64 * MIB)
    rate[0] = 200.0 * MIB
    assert 0.9 * 200 * MIB * 60 <= _run(60, clock, [bucket]) <= 1.1 * 200 * MIB * 60
    rate[0] = None
    assert bucket(1 << 40) == 0.0
    rate[0] = 20.0 * MIB
    assert _run(60, clock, [bucket]) <= 1.1 * 20 * MIB * 60


def test_idle_time_is_not_saved_up() -> None:
    clock = Clock()
    bucket = Bucket(lambda: 20 * MIB, clock)
    clock.now += 3600
    assert _run(10, clock, [bucket]) <= 1.1 * 20 * MIB * 10


def test_a_copy_is_not_faster_than_its_limit(tmp_path: Path) -> None:
    size = 8 * MIB
    source, target = reader_of(size, [(size, 1, "data")]), Disk(size)
    rate = 16 * MIB
    began = time.monotonic()
    engine.copy(
        source, target, Journal(tmp_path / "j", {}), fresh=True, settings=Settings(object_size=65536),
        throttles=[Bucket(lambda: rate)],
    )  # fmt: skip
    # A quarter of a second may have been saved, and the last request goes into debt.
    assert time.monotonic() - began >= size / rate - 0.25 - 0.05


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "config.yaml"
    found.write_text("transfer: {max_rate: 20M}\n")
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(found))
    monkeypatch.setattr(config, "_LOOK_EVERY_S", 0.0)
    config.load.cache_clear()
    return found


def _write(file: Path, text: str) -> None:
    file.write_text(text)
    os.utime(file, ns=(time.time_ns(), file.stat().st_mtime_ns + 1_000_000))


def test_the_file_is_read_again_while_we_run(file: Path) -> None:
    assert config.live().transfer.max_rate == "20M"
    _write(file, "transfer: {max_rate: 40M, max_rate_per_pool: 30M}\n")
    assert config.live().transfer.max_rate == "40M"
    _write(file, "transfer: {max_rate: nonsense}\n")
    assert config.live().transfer.max_rate == "40M"
    _write(file, "{}\n")
    assert config.live().transfer.max_rate is None


def test_a_limit_in_the_file_is_checked(file: Path) -> None:
    file.write_text("transfer: {max_rate: 20X}\n")
    with pytest.raises(InputError, match="max_rate"):
        config.load()


def test_disks_share_the_buckets_of_their_source_pool_and_job(file: Path) -> None:
    one = limits.buckets(source="a", pool="p", job="j1", max_rate="5M")
    other = limits.buckets(source="b", pool="p", job="j2")
    assert [x is y for x, y in zip(one, other, strict=False)] == [True, False, True]
    assert (len(one), len(other)) == (4, 3)
    assert one[3](10 * MIB) == 0.0
    assert one[3](10 * MIB) > 0.0
    assert limits.buckets(source="a", pool="q", job="j1", max_rate="5M")[3] is one[3]


@pytest.mark.parametrize(("free", "fits"), [(64 * MIB, True), (63 * MIB, False)])
def test_what_is_in_flight_has_to_fit(free: int, fits: bool) -> None:
    guard = SpaceGuard("p1", lambda: free, 64 * MIB)
    if fits:
        guard(0)
        return
    with pytest.raises(StepFailed, match="p1 is about to be full: 63 MiB"):
        guard(0)


def test_what_all_copies_write_while_the_answer_grows_old_has_to_fit() -> None:
    clock = Clock()

    def guard(free: Callable[[], int]) -> SpaceGuard:
        return SpaceGuard("p2", free, 10 * MIB, clock)

    one, other = guard(lambda: 100 * MIB), guard(lambda: 100 * MIB)
    one(0)
    other(50 * MIB)
    with pytest.raises(StepFailed):
        one(31 * MIB)
    clock.now += 20
    one(31 * MIB)


def test_a_look_that_fails_stops_nothing() -> None:
    def blind() -> int:
        raise StepFailed("the monitors do not answer")

    SpaceGuard("p3", blind, MIB)(0)
