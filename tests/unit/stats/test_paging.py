"""A listing is complete and without doubles, whatever happened to it since its markers were seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blue_wizard.stats.paging import Gone, walk


def _side(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    return [call() for call in calls]


class _Listing:
    """Rows in order; counts what is asked. `most` is the server's own limit."""

    def __init__(self, ids: Sequence[str], most: int) -> None:
        self.ids, self.most, self.asked = list(ids), most, 0

    def __call__(self, marker: str | None) -> tuple[list[dict[str, Any]], bool]:
        self.asked += 1
        if marker is not None and marker not in self.ids:
            raise Gone
        at = 0 if marker is None else self.ids.index(marker) + 1
        return [{"id": i} for i in self.ids[at : at + self.most]], at + self.most < len(self.ids)


def _ids(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [r["id"] for r in rows]


def test_the_second_run_begins_everywhere_at_once() -> None:
    listing = _Listing([str(i) for i in range(10)], 3)
    rows, markers = walk(listing, (), _side)
    assert _ids(rows) == listing.ids
    assert markers == ["2", "5", "8"]
    starts: list[int] = []

    def side(calls: Sequence[Callable[[], Any]]) -> list[Any]:
        starts.append(len(calls))
        return _side(calls)

    again, _markers = walk(listing, markers, side)
    assert _ids(again) == listing.ids
    assert starts == [4]


def test_an_empty_listing_is_one_question() -> None:
    listing = _Listing([], 3)
    assert walk(listing, (), _side) == ([], [])
    assert listing.asked == 1


def test_a_marker_that_vanishes_in_the_midst_is_told() -> None:
    def fetch(marker: str | None) -> tuple[list[dict[str, Any]], bool]:
        if marker:
            raise Gone
        return [{"id": "a"}], True

    with pytest.raises(Gone):
        walk(fetch, (), _side)


@given(
    st.lists(st.integers(0, 60), unique=True, max_size=40),
    st.lists(st.integers(0, 60), unique=True, max_size=40),
    st.integers(1, 7),
    st.integers(1, 7),
)
def test_nothing_is_lost_or_doubled(before: list[int], after: list[int], most: int, later: int) -> None:
    """Rows came, went and moved, and the server's limit may have changed too."""
    _rows, seeds = walk(_Listing([str(i) for i in before], most), (), _side)
    now = _Listing([str(i) for i in after], later)
    rows, markers = walk(now, seeds, _side)
    assert sorted(_ids(rows)) == sorted(now.ids)
    assert len(set(markers)) == len(markers)
    assert set(markers) <= set(now.ids)
