"""Changed areas over scripted answers: whatever a server says, too much is read rather than too little."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blue_wizard.reach.vsphere_changes import Untold, areas, same_line

CAPACITY = 1000


def _answer(start: int, length: int, *told: tuple[int, int]) -> Any:
    found = [SimpleNamespace(start=at, length=size) for at, size in told]
    return SimpleNamespace(startOffset=start, length=length, changedArea=found)


@given(st.lists(st.integers(0, 99), unique=True), st.integers(1, 7))
def test_page_by_page(blocks: list[int], most: int) -> None:
    changed = [(n * 10, 10) for n in sorted(blocks)]

    def tell(at: int) -> Any:
        assert at < CAPACITY, "asked from the end on"
        rest = [c for c in changed if c[0] >= at]
        page = rest[:most]
        upto = sum(page[-1]) if len(rest) > most else CAPACITY
        return _answer(at, upto - at, *page)

    assert areas(tell, CAPACITY) == changed


def test_a_full_answer_is_asked_on_though_it_claims_to_be_the_last() -> None:
    size = 4096 * 1000
    changed = [(n * 1000, 500) for n in range(4096)]

    def tell(at: int) -> Any:
        return _answer(at, size - at, *[c for c in changed if c[0] >= at][:2000])

    assert areas(tell, size) == changed


def test_areas_over_the_end_are_cut_off_there() -> None:
    """Areas are whole blocks; the disk need not end with one."""
    assert areas(lambda at: _answer(at, 1024, (960, 64)), CAPACITY) == [(960, 40)]
    assert areas(lambda at: _answer(at, 1000, (1024, 64)), CAPACITY) == []


@pytest.mark.parametrize(
    "answer",
    [_answer(0, 0), _answer(5, 1000), _answer(0, 1000, (7, 0)), _answer(0, 1000, (7, -3))],
    ids=["leads nowhere", "elsewhere", "empty area", "negative area"],
)
def test_what_makes_no_sense_is_not_taken_for_unchanged(answer: Any) -> None:
    with pytest.raises(Untold):
        areas(lambda _at: answer, CAPACITY)


def test_change_ids_of_one_line() -> None:
    assert same_line("52 de c0 d9/3", "52 de c0 d9/4")
    assert not same_line("52 de c0 d9/3", "52 de c0 da/4")
    assert not same_line("", "")
