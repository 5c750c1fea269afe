"""Maps of extents become work, whatever they look like."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.extents import Extent
from blue_wizard.migrate.transfer import planner

OBJECT = 4096
LENGTHS = st.integers(1, 3 * OBJECT)
RANGES = st.lists(st.tuples(st.integers(0, 20 * OBJECT), st.integers(0, 3 * OBJECT)), max_size=8)


@st.composite
def maps(draw: st.DrawFn) -> list[Extent]:
    """A map of a whole disk; neighbours may be of one kind."""
    found: list[Extent] = []
    for length, zero in draw(st.lists(st.tuples(LENGTHS, st.booleans()), min_size=1, max_size=12)):
        found.append(Extent(found[-1].end if found else 0, length, zero))
    return found


def _bytes(pieces: list[Extent], *, zero: bool) -> set[int]:
    return {b for p in pieces if p.zero == zero for b in range(p.offset, p.end)}


@given(maps(), st.booleans())
def test_every_byte_of_data_is_moved_once_and_inside_its_object(extents: list[Extent], fresh: bool) -> None:
    work = list(planner.items(extents, OBJECT, fresh=fresh))
    assert [i.index for i in work] == sorted({i.index for i in work})
    pieces = [p for i in work for p in i.pieces]
    assert all(i.index * OBJECT <= p.offset and p.end <= (i.index + 1) * OBJECT for i in work for p in i.pieces)
    assert all(a.end <= b.offset for a, b in itertools.pairwise(pieces))
    data, zeroes = _bytes(extents, zero=False), _bytes(extents, zero=True)
    if fresh:
        # Small holes are read with the data around them: no byte of data is missing, and no object without data is touched.
        assert data <= _bytes(pieces, zero=False)
        assert not _bytes(pieces, zero=True)
        assert {i.index for i in work} == {b // OBJECT for b in data}
    else:
        assert _bytes(pieces, zero=False) == data
        assert _bytes(pieces, zero=True) == zeroes


@given(maps(), RANGES)
def test_of_the_changed_ranges_nothing_else_is_touched(extents: list[Extent], ranges: list[tuple[int, int]]) -> None:
    found = list(planner.within(extents, ranges))
    wanted = {b for offset, length in ranges for b in range(offset, min(offset + length, extents[-1].end))}
    assert {b for e in found for b in range(e.offset, e.end)} == wanted
    assert sum(e.length for e in found) == len(wanted)
    assert _bytes(found, zero=True) == wanted & _bytes(extents, zero=True)


@given(maps(), st.integers(1, 40 * OBJECT))
def test_a_map_that_is_whole_is_cut_off_at_the_size(extents: list[Extent], size: int) -> None:
    if size > extents[-1].end:
        with pytest.raises(StepFailed, match="ends at byte"):
            list(planner.checked(extents, size))
    else:
        assert sum(e.length for e in planner.checked(extents, size)) == size


@pytest.mark.parametrize(
    "second", [Extent(11, 5, False), Extent(9, 5, False), Extent(10, 0, False), Extent(10, -1, True)]
)
def test_a_map_with_gaps_or_overlaps_is_refused(second: Extent) -> None:
    with pytest.raises(StepFailed, match="damaged"):
        list(planner.checked([Extent(0, 10, True), second], 15))


def test_a_hole_that_is_worth_it_is_not_read() -> None:
    size = planner.OBJECT_SIZE
    islands = [Extent(0, 4096, False), Extent(4096, size - 8192, True), Extent(size - 4096, 4096, False)]
    (item,) = planner.items(islands, size, fresh=True)
    assert item.moved == 8192


def test_two_plans_of_different_places_have_different_fingerprints() -> None:
    one = planner.summary(planner.items([Extent(0, 10, False)], OBJECT, fresh=True))
    other = planner.summary(planner.items([Extent(0, 11, False)], OBJECT, fresh=True))
    assert (one.moved, other.moved) == (10, 11)
    assert one.fingerprint != other.fingerprint
