"""Long listings page by page, several pages at once where markers of an earlier run are known. Pure: `fetch` does the asking."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

__all__ = ["Gone", "Row", "Side", "walk"]

Row = dict[str, Any]
Fetch = Callable[[str | None], tuple[Sequence[Row], bool]]
"""Marker to page: its rows, and whether more follow."""
Side = Callable[[Sequence[Callable[[], Any]]], list[Any]]
"""Calls to their results, side by side."""


class Gone(Exception):
    """The marker is not there any more."""


def walk(fetch: Fetch, seeds: Sequence[str], side: Side) -> tuple[list[Row], list[str]]:
    """All rows of a listing, and the markers at which its pages began, to be the `seeds` of the next run.

    A marker chain is serial by nature: only the end of a page tells where the next one begins. Markers that an earlier run met are
    as good, as long as their rows are still there and the order stands: each begins a segment, which ends at the next one that it
    meets. Whatever was added or removed between two of them only makes a segment longer or shorter. A seed that is gone is walked
    over by the segment before it; where no segment begins at a marker that was met, everything is read again in one chain.
    Rows that moved across a page boundary meanwhile are taken once.
    """
    stops = frozenset(seeds)
    starts: list[str | None] = [None, *seeds]
    found = dict(zip(starts, side([partial(_segment, fetch, s, stops) for s in starts]), strict=True))
    rows: dict[str, Row] = {}
    markers: list[str] = []
    at: str | None = None
    while True:
        segment = found.get(at)
        if segment is None:
            return walk(fetch, (), side)
        new, inner, met = segment
        rows |= {row["id"]: row for row in new}
        markers += inner
        if met is None or met in markers:
            return list(rows.values()), markers
        markers.append(met)
        at = met


_Segment = tuple[list[Mapping[str, Any]], list[str], str | None]


def _segment(fetch: Fetch, start: str | None, stops: frozenset[str]) -> _Segment | None:
    """Rows after `start`, the markers asked for on the way, and the stop that was met (None: the end). None: start is gone."""
    rows: list[Any] = []
    markers: list[str] = []
    marker = start
    while True:
        try:
            page, more = fetch(marker)
        except Gone:
            if marker is None or marker != start:
                raise
            return None
        for i, row in enumerate(page):
            if row["id"] in stops:
                return [*rows, *page[: i + 1]], markers, row["id"]
        rows += page
        if not more or not page:
            return rows, markers, None
        marker = page[-1]["id"]
        markers.append(marker)
