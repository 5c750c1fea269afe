"""Limits of bandwidth as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blue_wizard import rates

MIB = 1 << 20


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("20M", 20 * MIB),
        ("1.5G", 1.5 * 1024 * MIB),
        ("512", 512),
        ("100 MiB/s", 100 * MIB),
        ("3k", 3072),
        ("unlimited", None),
    ],
)
def test_a_rate(text: str, rate: float | None) -> None:
    assert {rates.parse(text).at(m) for m in (0, 719, 1439)} == {rate}


def test_a_table_by_the_time_of_day() -> None:
    table = rates.parse("08:00-20:00=20M, 20:00-06:30=200M")
    assert [table.at(m) for m in (480, 1199)] == [20 * MIB] * 2
    assert [table.at(m) for m in (1200, 1439, 0, 389)] == [200 * MIB] * 4
    assert table.at(390) is None


def test_the_first_window_that_fits_counts() -> None:
    assert rates.parse("12:00-13:00=unlimited,00:00-24:00=1M").at(720) is None
    assert rates.parse("12:00-13:00=unlimited,00:00-24:00=1M").at(780) == MIB


@pytest.mark.parametrize(
    "text", ["", "fast", "0M", "-5M", "20X", "08:00=5M", "25:00-26:00=5M", "08:70-09:00=5M", "08:00-09:00=5M,10M"]
)
def test_what_is_no_limit(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not|names a time"):
        rates.parse(text)


@given(st.text(max_size=30))
def test_any_text_is_a_limit_or_an_error(text: str) -> None:
    try:
        found = rates.parse(text)
    except ValueError:
        return
    assert all((found.at(m) or 1) > 0 for m in range(0, 1440, 60))
