"""The copy on disks in memory: equal afterwards, or a clear error; and what was noted is not done again."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from blue_wizard.errors import StepFailed, Stopped
from blue_wizard.migrate.extents import Extent
from blue_wizard.migrate.transfer import engine, verify
from blue_wizard.migrate.transfer.engine import Settings
from blue_wizard.migrate.transfer.journal import Journal
from blue_wizard.migrate.transfer.writer import Data, Done

from .disks import Disk, reader_of

OBJECT = 16384
SMALL = Settings(in_flight=4, readers=2, object_size=OBJECT)
PARTS = st.lists(
    st.tuples(st.integers(1, 3 * OBJECT), st.integers(0, 254), st.sampled_from(["data", "zeroes", "hole"])), max_size=10
)
SIZES = st.integers(1, 12 * OBJECT)
often = hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def new_journal(tmp_path: Path) -> Callable[[], Journal]:
    made: list[Journal] = []

    def make() -> Journal:
        made.append(Journal(tmp_path / str(len(made)), {"test": True}))
        return made[-1]

    return make


def _check(source: Disk, target: Disk, notes: Journal, *, fresh: bool = True) -> str:
    work = engine.plan(source, fresh=fresh, object_size=OBJECT)
    return verify.sha256(
        target, size=source.size, object_size=OBJECT, expected=verify.Expected(work, notes, fresh=fresh)
    )


@often
@given(SIZES, PARTS, st.integers(0, 100))
def test_a_fresh_target_equals_its_source(
    new_journal: Callable[[], Journal], size: int, parts: list[tuple[int, int, str]], beyond: int
) -> None:
    source, target, notes = reader_of(size, parts), Disk(size + beyond), new_journal()
    copied = engine.copy(source, target, notes, fresh=True, settings=SMALL)
    whole = source.get(0, size)
    assert target.get(0, size) == whole
    assert _check(source, target, notes) == hashlib.sha256(whole).hexdigest()
    assert copied.moved == sum(length for _offset, length in source.reads)
    # What reads as zeroes is not written, neither holes nor stored zeroes that fill a piece.
    assert not target.zeroed
    assert all(any(whole[o : o + n]) for o, n in target.writes)


@often
@given(SIZES, PARTS, PARTS, st.lists(st.tuples(SIZES, SIZES), max_size=6))
def test_a_delta_makes_the_changed_ranges_equal_and_touches_nothing_else(
    new_journal: Callable[[], Journal],
    size: int,
    before: list[tuple[int, int, str]],
    after: list[tuple[int, int, str]],
    ranges: list[tuple[int, int]],
) -> None:
    old, new, target = reader_of(size, before), reader_of(size, after), Disk(size)
    target.put(0, old.get(0, size))
    wanted = bytearray(old.get(0, size))
    for offset, length in ranges:
        wanted[offset : offset + length] = new.get(0, size)[offset : offset + length]
    notes = new_journal()
    engine.copy(new, target, notes, fresh=False, ranges=ranges, settings=SMALL)
    assert target.get(0, size) == bytes(wanted)
    touched = {b for offset, length in target.writes + target.zeroed for b in range(offset, offset + length)}
    assert touched <= {b for offset, length in ranges for b in range(offset, offset + length)}
    work = engine.plan(new, fresh=False, object_size=OBJECT, ranges=ranges)
    found = verify.sha256(target, object_size=OBJECT, expected=verify.Expected(work, notes, fresh=False))
    assert found == hashlib.sha256(bytes(wanted)).hexdigest()


@hypothesis_settings(often, max_examples=15)
@given(SIZES, PARTS, st.integers(0, 8))
def test_what_was_noted_is_neither_read_nor_written_again(
    new_journal: Callable[[], Journal], size: int, parts: list[tuple[int, int, str]], allowed: int
) -> None:
    source, target, notes = reader_of(size, parts), Disk(size), new_journal()
    asked = 0

    def stop_soon(_length: int) -> float:
        nonlocal asked
        asked += 1
        if asked > allowed:
            raise Stopped("enough")
        return 0.0

    with contextlib.suppress(Stopped):
        engine.copy(source, target, notes, fresh=True, settings=SMALL, throttles=[stop_soon])
    done = {r.index for r in notes.records()}
    source.reads.clear()
    target.writes.clear()
    copied = engine.copy(source, target, notes, fresh=True, settings=SMALL)
    assert not {o // OBJECT for o, _n in source.reads + target.writes} & done
    assert copied.moved - copied.resumed == sum(n for _o, n in source.reads)
    assert _check(source, target, notes) == hashlib.sha256(source.get(0, size)).hexdigest()


def test_three_sparse_tebibytes_cost_no_memory(new_journal: Callable[[], Journal]) -> None:
    size = (3 << 40) + 511
    source, target = Disk(size, "source"), Disk(size)
    for at in (0, (1 << 40) - 3, (2 << 40) + 12345, size - 9):
        source.put(at, b"somewhere")
    tracemalloc.start()
    try:
        copied = engine.copy(source, target, new_journal(), fresh=True)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert {p: bytes(x) for p, x in target.pages.items()} == {p: bytes(x) for p, x in source.pages.items()}
    assert copied.moved < 100_000


def test_several_ranges_of_a_disk_are_on_their_way_at_once(new_journal: Callable[[], Journal]) -> None:
    source, target = reader_of(8 * OBJECT, [(8 * OBJECT, 1, "data")]), Disk(8 * OBJECT)
    read, together = source.read, threading.Barrier(3, timeout=20)

    def meeting(offset: int, length: int) -> bytes:
        # Nobody goes on before three of them are in the middle of a read.
        if offset < 3 * OBJECT:
            together.wait()
        return read(offset, length)

    source.read = meeting  # type: ignore[method-assign]
    how = Settings(in_flight=4, readers=3, object_size=OBJECT)
    engine.copy(source, target, new_journal(), fresh=True, settings=how)
    assert target.get(0, target.size) == source.get(0, source.size)


class _Broken(Disk):
    """A target whose every write fails so."""

    number = errno.ENOSPC

    def write(self, offset: int, data: Data, done: Done) -> None:
        done(OSError(self.number, "x"))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "full"),
        (errno.EDQUOT, "full"),
        (errno.EACCES, "permission"),
        (errno.ESHUTDOWN, "blocklist"),
        (errno.ETIMEDOUT, "answer"),
        (errno.EIO, "can't be written"),
    ],
)
def test_what_becomes_of_a_target_is_told_apart(new_journal: Callable[[], Journal], number: int, words: str) -> None:
    target, notes = _Broken(4 * OBJECT, "pool/image"), new_journal()
    target.number = number
    with pytest.raises(StepFailed, match=words) as raised:
        engine.copy(reader_of(4 * OBJECT, [(4 * OBJECT, 1, "data")]), target, notes, fresh=True, settings=SMALL)
    assert "pool/image" in raised.value.message
    assert len(notes) == 0


def test_what_could_not_be_flushed_is_not_noted(new_journal: Callable[[], Journal]) -> None:
    target, notes = Disk(4 * OBJECT, "image"), new_journal()

    def broken() -> None:
        raise OSError(errno.EIO, "x")

    target.flush = broken  # type: ignore[method-assign]
    with pytest.raises(StepFailed, match="image can't be written"):
        engine.copy(reader_of(4 * OBJECT, [(4 * OBJECT, 1, "data")]), target, notes, fresh=True, settings=SMALL)
    assert target.writes
    assert len(notes) == 0


class _Silent(Disk):
    """A target that takes requests and never answers them."""

    def write(self, offset: int, data: Data, done: Done) -> None:
        pass


def test_a_cluster_that_hangs_is_named(new_journal: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_END_S", 0.1)
    how = Settings(in_flight=2, readers=1, hang_s=0.2, object_size=OBJECT)
    with pytest.raises(StepFailed, match="pool/image has not answered"):
        engine.copy(
            reader_of(4 * OBJECT, [(4 * OBJECT, 1, "data")]), _Silent(4 * OBJECT, "pool/image"), new_journal(),
            fresh=True, settings=how,
        )  # fmt: skip


def test_a_source_that_changes_is_noticed(new_journal: Callable[[], Journal]) -> None:
    source = reader_of(4 * OBJECT, [(4 * OBJECT, 1, "data")])
    read = source.read

    def writing(offset: int, length: int) -> bytes:
        source.seal = "another"
        return read(offset, length)

    source.read = writing  # type: ignore[method-assign]
    with pytest.raises(StepFailed, match="changed while"):
        engine.copy(source, Disk(4 * OBJECT), new_journal(), fresh=True, settings=SMALL)


def test_a_map_that_changes_is_noticed(new_journal: Callable[[], Journal]) -> None:
    source = reader_of(4 * OBJECT, [(4 * OBJECT, 1, "data")])
    maps = [list(source.map or ()), [Extent(0, 3 * OBJECT, False), Extent(3 * OBJECT, OBJECT, True)]]
    source.extents = lambda: iter(maps.pop(0))  # type: ignore[method-assign,assignment]
    with pytest.raises(StepFailed, match="changed while"):
        engine.copy(source, Disk(4 * OBJECT), new_journal(), fresh=True, settings=SMALL)


def test_a_short_read_is_a_source_that_is_cut_off(new_journal: Callable[[], Journal]) -> None:
    source = reader_of(OBJECT, [(OBJECT, 1, "data")])
    source.read = lambda offset, length: bytes(length - 1)  # type: ignore[method-assign]
    with pytest.raises(StepFailed, match="cut off"):
        engine.copy(source, Disk(OBJECT), new_journal(), fresh=True, settings=SMALL)


def test_what_a_guard_raises_ends_the_copy(new_journal: Callable[[], Journal]) -> None:
    def full(_moved: int) -> None:
        raise StepFailed("nearly full")

    slow = reader_of(64 * OBJECT, [(64 * OBJECT, 1, "data")])
    with pytest.raises(StepFailed, match="nearly full"):
        engine.copy(
            slow, Disk(64 * OBJECT), new_journal(), fresh=True, settings=SMALL, guards=[full],
            throttles=[lambda _n: 0.05],
        )  # fmt: skip


def test_nothing_moves_while_it_is_paused_and_a_stop_comes_through(new_journal: Callable[[], Journal]) -> None:
    source, target, notes = reader_of(64 * OBJECT, [(64 * OBJECT, 1, "data")]), Disk(64 * OBJECT), new_journal()
    seen: list[int] = []

    def pause_then_stop(hold: Callable[[bool], None]) -> None:
        if not target.writes:
            return
        hold(True)
        # What was on its way comes to its end first; on a busy machine a thread may rest between two looks.
        before, same, end = -1, 0, time.monotonic() + 20
        while same < 4 and time.monotonic() < end:
            time.sleep(0.05)
            settled = (before, len(notes)) == (len(target.writes), len(target.writes))
            same = same + 1 if settled else 0
            before = len(target.writes)
        time.sleep(0.1)
        seen.append(len(target.writes) - before)
        # What stood before the rest is noted, in case that nobody comes back.
        seen.append(len(notes) - before)
        hold(False)
        raise Stopped("stop")

    def slowly(_length: int) -> float:
        time.sleep(0.02)
        return 0.0

    with pytest.raises(Stopped):
        engine.copy(source, target, notes, fresh=True, settings=SMALL, throttles=[slowly], pause_point=pause_then_stop)
    assert seen == [0, 0]
    assert not [t for t in threading.enumerate() if t.name.startswith("transfer-") and t.name != "transfer-watch"]


def test_a_rest_waits_for_the_hash_of_what_is_written_already(
    new_journal: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow:
        def __init__(self) -> None:
            self._real = hashlib.sha256()

        def update(self, data: Data) -> None:
            time.sleep(0.1)
            self._real.update(data)

        def digest(self) -> bytes:
            return self._real.digest()

    monkeypatch.setattr(engine, "hashlib", SimpleNamespace(sha256=Slow))
    source, target, notes = reader_of(64 * OBJECT, [(64 * OBJECT, 1, "data")]), Disk(64 * OBJECT), new_journal()

    def stop_with_the_first(hold: Callable[[bool], None]) -> None:
        if target.writes:
            hold(True)
            assert len(notes) == len(target.writes) > 0
            raise Stopped("stop")

    with pytest.raises(Stopped):
        engine.copy(source, target, notes, fresh=True, settings=SMALL, pause_point=stop_with_the_first)


def test_a_bit_that_flips_in_the_target_is_found(new_journal: Callable[[], Journal]) -> None:
    source, target, notes = reader_of(4 * OBJECT, [(4 * OBJECT, 1, "data")]), Disk(4 * OBJECT), new_journal()
    engine.copy(source, target, notes, fresh=True, settings=SMALL)
    target.put(2 * OBJECT + 5, b"\0")
    with pytest.raises(StepFailed, match=f"from byte {2 * OBJECT} on"):
        _check(source, target, notes)


@pytest.mark.parametrize("at", [3 * OBJECT, 5 * OBJECT + 1])
def test_data_where_the_source_has_none_is_found(new_journal: Callable[[], Journal], at: int) -> None:
    source, target, notes = reader_of(4 * OBJECT, [(OBJECT, 1, "data")]), Disk(6 * OBJECT), new_journal()
    engine.copy(source, target, notes, fresh=True, settings=SMALL)
    target.put(at, b"x")
    with pytest.raises(StepFailed, match="does not hold"):
        _check(source, target, notes)


@pytest.mark.parametrize("blank", [True, False])
def test_an_object_that_was_never_copied_is_found(new_journal: Callable[[], Journal], blank: bool) -> None:
    source, target = reader_of(4 * OBJECT, [(4 * OBJECT, 1, "data")]), Disk(4 * OBJECT)
    if not blank:
        engine.copy(source, target, new_journal(), fresh=True, settings=SMALL)
    with pytest.raises(StepFailed, match="from byte 0 on"):
        _check(source, target, new_journal())
