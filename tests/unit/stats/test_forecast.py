"""Trends: robust, with a band that holds, and refused where there is too little to say."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blue_wizard.stats import run
from blue_wizard.stats.collect import Memory
from blue_wizard.stats.forecast import FEWEST, Subject, daily, days_until, forecast, trend
from blue_wizard.stats.history import History
from blue_wizard.stats.model import evaluate
from blue_wizard.stats.platform import DAY_S, Platform

from .clouds import recorded

SUBJECT = Subject("x", lambda: "x", "a.used", "a.limit")


def _line(days: int, slope: float, start: float = 100.0) -> list[tuple[float, float]]:
    return [(float(d), start + slope * d) for d in range(days)]


def test_a_straight_line() -> None:
    found = trend(_line(30, 2.0))
    assert found is not None
    assert (found.slope, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0))
    made = forecast(SUBJECT, _line(30, 2.0), 358.0, lead_days=30)
    assert made is not None
    assert (made.likely, made.soonest, made.latest, made.order_in) == pytest.approx((100, 100, 100, 70))


def test_a_few_odd_days_bend_nothing() -> None:
    points = _line(30, 2.0)
    for day in (4, 11, 17, 25):
        points[day] = (points[day][0], 10_000.0)
    found = trend(points)
    assert found is not None
    assert found.slope == pytest.approx(2.0, abs=0.3)


def test_too_few_points_are_no_trend() -> None:
    assert trend(_line(FEWEST - 1, 1.0)) is None
    made = forecast(SUBJECT, _line(FEWEST - 1, 1.0), 1000.0)
    assert made is not None
    assert (made.trend, made.likely, made.soonest) == (None, None, None)
    assert forecast(SUBJECT, [], 10.0) is None


def test_many_runs_on_one_day_are_one_point() -> None:
    assert daily([(3.9, 9.0), (3.1, 1.0), (4.0, 5.0)]) == [(3.9, 9.0), (4.0, 5.0)]
    assert trend(daily([(1 + i / 100, float(i)) for i in range(50)])) is None


@pytest.mark.parametrize(
    ("used", "limit", "slope", "expected"),
    [(10, 20, 2, 5), (20, 20, 2, 0), (30, 20, 0, 0), (10, 20, 0, None), (10, 20, -1, None)],
)
def test_days_until(used: float, limit: float, slope: float, expected: float | None) -> None:
    assert days_until(used, limit, slope) == expected


def test_the_band_holds_the_true_growth_as_often_as_it_says() -> None:
    """90 % of 300 noisy series, give or take three standard deviations of that count."""
    dice = random.Random(7)  # noqa: S311
    held = 0
    for _series in range(300):
        found = trend([(float(d), 3.0 * d + dice.gauss(0, 20)) for d in range(25)])
        assert found is not None
        held += found.low <= 3.0 <= found.high
    assert 0.85 <= held / 300 <= 0.96


@given(st.lists(st.floats(-1e6, 1e6), min_size=FEWEST, max_size=25))
def test_the_band_is_around_the_likely(values: list[float]) -> None:
    found = trend([(float(i), v) for i, v in enumerate(values)])
    assert found is not None
    assert found.low <= found.slope <= found.high


def test_the_history_keeps_what_was_known(tmp_path: Path) -> None:
    history = History(tmp_path / "state" / "stats.db")
    snapshot = recorded()
    del snapshot.rows["ports"]
    snapshot.problems["ports"] = "it broke"
    run.report(snapshot, (), history)
    (point,) = history.points("lab", "hosts.vcpus.capacity", 0)
    assert point == (snapshot.moment / DAY_S, 64.0)
    assert history.points("lab", "network.ports", 0) == [], "what is not known is no zero"
    assert history.points("other", "hosts.vcpus.capacity", 0) == []


def test_days_left_of_a_cloud_that_grows(tmp_path: Path) -> None:
    history = History(tmp_path / "stats.db")
    snapshot = recorded()
    used = _number(snapshot, "hosts.vcpus.used")
    for day in range(1, 21):
        history.keep("lab", snapshot.moment - day * DAY_S, {"hosts.vcpus.used": used - day})
    made = run.report(snapshot, (), history)
    found = {f.subject.id: f for f in made.forecasts}
    assert found["vcpus"].likely == pytest.approx(64 - used, rel=0.01)
    assert found["memory"].trend is None
    assert found["memory"].points == 1


def _number(snapshot: object, id_: str) -> float:
    values, _sheets = evaluate(Platform(snapshot))  # type: ignore[arg-type]
    return float(next(v.number or 0 for v in values if v.statistic.id == id_))


def test_what_was_remembered_comes_back(tmp_path: Path) -> None:
    history = History(tmp_path / "stats.db")
    assert history.memory("lab") == Memory()
    memory = Memory({"servers": ["a"]}, {"u": {"VCPU": {"total": 1}}})
    history.remember("lab", memory)
    assert History(tmp_path / "stats.db").memory("lab") == memory


def test_values_of_an_earlier_day(tmp_path: Path) -> None:
    history = History(tmp_path / "stats.db")
    for moment in (10.0, 20.0, 30.0):
        history.keep("lab", moment, {"a": moment})
    assert history.before("lab", 25.0) == {"a": (20.0, 20.0)}
