"""Whatever a guest writes, and wherever a worker is killed: at the cut-over the target is the source."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.warm.rounds import run_round

from .fake import OBJECT, PAGE, Killed, Running, Shelf

SIZE = 5 * OBJECT + 3 * PAGE + 512
SIZES = {"vda": SIZE, "vdb": 2 * OBJECT}
WRITES = st.lists(
    st.tuples(st.sampled_from(sorted(SIZES)), st.integers(0, SIZE - 1), st.integers(1, 3 * PAGE), st.integers(0, 3)),
    max_size=8,
)
Write = tuple[str, int, int, int]


def scribble(source: Running, writes: list[Write]) -> None:
    """The guest writes; a fill of 0 is a discard."""
    for disk, at, length, fill in writes:
        end = min(SIZES[disk], at + length)
        if at < end:
            source.write(disk, at, bytes([fill]) * (end - at))


def shelf(folder: Path, before: list[Write] = [], tail: int = 0) -> Shelf:  # noqa: B006
    """A source with some content, and empty targets."""
    source = Running(SIZES)
    scribble(source, before or [("vda", 0, 9 * PAGE, 1), ("vda", 2 * OBJECT, PAGE, 2), ("vdb", OBJECT - PAGE, PAGE, 3)])
    return Shelf(source, folder, tail)


def same(on: Shelf) -> bool:
    """Our own eyes: byte by byte."""
    return all(on.targets[n].get(0, d.size) == d.get(0, d.size) for n, d in on.source.disks.items())


def cut_over(on: Shelf) -> None:
    """The guest is off, and the last round runs."""
    on.source.on = False
    on.hook = on.source.hook = lambda _what: None
    run_round(on.means(), check="whole")
    assert same(on)
    hashes = {n: hashlib.sha256(d.get(0, d.size)).hexdigest() for n, d in on.source.disks.items()}
    assert on.state["sha256"] == hashes


@settings(max_examples=20, deadline=None)
@given(WRITES, st.lists(st.tuples(WRITES, st.sampled_from(["", "crash", "untold", "grow-tail"])), max_size=4))
def test_the_target_is_the_source_at_the_cut_over(before: list[Write], rounds: list[tuple[list[Write], str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        on = shelf(Path(folder), before, tail=OBJECT)
        for writes, trouble in rounds:
            # While the point is being read the guest writes on.
            on.source.when_begun = lambda writes=writes: scribble(on.source, writes)  # type: ignore[misc]
            if trouble == "crash":
                on.source.crash()
            on.source.untold = {"vdb"} if trouble == "untold" else set()
            run_round(on.means())
        on.source.when_begun = lambda: None
        cut_over(on)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(WRITES, min_size=2, max_size=4),
    st.lists(st.tuples(st.integers(0, 25), st.sampled_from(["", "lost", "crash"])), min_size=1, max_size=6),
)
def test_killed_anywhere(rounds: list[list[Write]], kills: list[tuple[int, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        on = shelf(Path(folder))
        pending = iter(kills)

        def arm() -> str:
            """Kill at the so-many-th call from now; what happens to the source meanwhile."""
            after, trouble = next(pending, (10**9, ""))
            count = itertools.count()

            def hook(_what: str) -> None:
                if next(count) == after:
                    raise Killed

            on.hook = on.source.hook = hook
            return trouble

        trouble = arm()
        for writes in rounds:
            on.source.when_begun = lambda writes=writes: scribble(on.source, writes)  # type: ignore[misc]
            while True:
                try:
                    run_round(on.means())
                    break
                except Killed:
                    scribble(on.source, writes[:2])
                    if trouble == "lost":
                        on.source.lose_points()
                    if trouble == "crash":
                        on.source.crash()
                    trouble = arm()
        on.source.when_begun = lambda: None
        cut_over(on)


def _writes(on: Shelf) -> int:
    return sum(len(t.writes) for t in on.targets.values())


def test_a_round_moves_what_changed_and_nothing_else(tmp_path: Path) -> None:
    on = shelf(tmp_path)
    assert run_round(on.means()).kind == "full"
    on.source.write("vda", 3 * OBJECT + 5, b"new")
    for target in on.targets.values():
        target.writes.clear()
    made = run_round(on.means())
    assert (made.kind, made.moved) == ("changes", 3)
    assert _writes(on) == 1
    assert same(on)


def test_a_killed_full_copy_goes_on_where_it_was(tmp_path: Path) -> None:
    on = shelf(tmp_path, [("vda", i * OBJECT, PAGE, 1) for i in range(5)])
    _kill_at(on, "write", 4)
    with pytest.raises(Killed):
        run_round(on.means())
    on.hook = lambda _what: None
    written = _writes(on)
    assert 0 < written < 5
    # The point is lost, and one object that was copied is written to meanwhile.
    on.source.lose_points()
    on.source.write("vda", 7, b"x")
    run_round(on.means())
    # What was copied is not copied again, but for what changed and what was in flight when it ended.
    assert _writes(on) < written + 1 + 5
    assert same(on)
    assert on.source.made == 2


def test_a_point_that_stands_is_read_on(tmp_path: Path) -> None:
    on = shelf(tmp_path)
    _kill_at(on, "write", 2)
    with pytest.raises(Killed):
        run_round(on.means())
    on.hook = lambda _what: None
    run_round(on.means())
    assert on.source.made == 1


def _kill_at(on: Shelf, what: str, count: int) -> None:
    left = itertools.count(1)

    def hook(name: str) -> None:
        if name == what and next(left) == count:
            raise Killed

    on.hook = hook


def test_a_broken_bitmap_is_told_and_compared_instead(tmp_path: Path) -> None:
    on = shelf(tmp_path)
    run_round(on.means())
    on.source.write("vda", OBJECT, b"after")
    on.source.crash()
    on.source.write("vdb", OBJECT + 5, b"unseen")
    for target in on.targets.values():
        target.writes.clear()
    made = run_round(on.means())
    assert made.kind == "compare"
    assert [t for t in on.told if "the bitmap is broken" in t]
    assert len(made.notes) == 2
    assert same(on)
    # Only what differs is written, and the next round is told of its changes again.
    assert _writes(on) == 2
    on.source.write("vda", OBJECT, b"later")
    assert run_round(on.means()).kind == "changes"


def test_a_source_that_hides_a_change_is_found_out(tmp_path: Path) -> None:
    on = shelf(tmp_path)
    run_round(on.means())
    on.source.lying = True
    on.source.write("vda", OBJECT + 9, b"hidden")
    made = run_round(on.means(), check="whole")
    assert len(made.notes) == 1
    assert "vda" in made.notes[0]
    assert same(on)


def test_a_target_that_loses_a_write_stops_the_round(tmp_path: Path) -> None:
    on = shelf(tmp_path)
    run_round(on.means())
    on.source.write("vda", OBJECT, b"lost")
    lost: Callable[..., None] = lambda _offset, _data, done: done(None)  # noqa: E731
    on.targets["vda"].write = lost  # type: ignore[method-assign]
    for check in ("changed", "whole"):
        with pytest.raises(StepFailed, match="does not hold"):
            run_round(on.means(), check=check)  # type: ignore[arg-type]


def test_something_behind_the_end_of_the_disk_stops_the_round(tmp_path: Path) -> None:
    on = shelf(tmp_path, tail=OBJECT)
    run_round(on.means())
    on.targets["vda"].put(SIZE + 10, b"not ours")
    with pytest.raises(StepFailed, match="does not hold"):
        run_round(on.means(), check="whole")


def test_nothing_is_left_in_the_folder_of_the_journals(tmp_path: Path) -> None:
    on = shelf(tmp_path)
    for _i in range(3):
        run_round(on.means(), check="whole")
    assert list(tmp_path.iterdir()) == []
