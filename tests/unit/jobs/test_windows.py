"""Maintenance windows: over midnight, changes of the clocks, clocks that are set; and how a job rests for one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blue_wizard import config
from blue_wizard.errors import InputError, Refused, Stopped
from blue_wizard.jobs import windows
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Plan, Risk, State, Step
from blue_wizard.jobs.waiting import Clock, wait_for_window
from blue_wizard.jobs.windows import Window, begins, bound, refuse_misfits, seconds_needed, spans

DAILY = frozenset(range(7))
ZONES = [ZoneInfo(n) for n in ("UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")]


def _at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def _window(start: str, end: str, days: frozenset[int] = DAILY, zone: str = "UTC") -> Window:
    return Window(days, time.fromisoformat(start), time.fromisoformat(end), ZoneInfo(zone))


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    friday = _window("22:00", "05:00", frozenset({4}), "Asia/Shanghai")
    saturday_night = _at("2026-11-28T04:59:59", "Asia/Shanghai")
    assert begins(friday, saturday_night) == saturday_night
    assert begins(friday, saturday_night + 1) == _at("2026-12-04T22:00:00", "Asia/Shanghai")
    # 2026-11-27 is a Friday.
    assert begins(friday, _at("2026-11-27T03:00:00", "Asia/Shanghai")) == _at("2026-11-27T22:00:00", "Asia/Shanghai")


def test_what_does_not_fit_into_the_rest_waits_for_the_next_one() -> None:
    nightly = _window("22:00", "05:00")
    late = _at("2026-11-25T04:30:00")
    assert begins(nightly, late, 1800) == late
    assert begins(nightly, late, 1801) == _at("2026-11-25T22:00:00")
    assert begins(nightly, late, 7 * 3600 + 1) is None


def test_the_same_time_twice_is_a_whole_day_and_days_in_a_row_are_one_stretch() -> None:
    weekend = _window("00:00", "00:00", frozenset({5, 6}))
    now = _at("2026-11-25T12:00:00")
    assert spans(weekend, now)[0] == (_at("2026-11-28T00:00:00"), _at("2026-11-30T00:00:00"))


def test_the_changes_of_the_clocks() -> None:
    night = _window("01:30", "04:00", zone="Europe/Berlin")
    # An hour is left out on 29 March 2026, and comes twice on 25 October.
    (spring, *_rest) = spans(night, _at("2026-03-29T00:00:00", "Europe/Berlin"))
    assert spring[1] - spring[0] == 1.5 * 3600
    (autumn, *_rest) = spans(night, _at("2026-10-25T00:00:00", "Europe/Berlin"))
    assert autumn[1] - autumn[0] == 3.5 * 3600
    gone = spans(_window("02:10", "02:40", zone="Europe/Berlin"), _at("2026-03-29T00:00:00", "Europe/Berlin"))
    assert gone[0][1] - gone[0][0] == 1800


WINDOWS = st.builds(
    Window,
    st.frozensets(st.integers(0, 6), min_size=1),
    st.builds(time, st.integers(0, 23), st.integers(0, 59)),
    st.builds(time, st.integers(0, 23), st.integers(0, 59)),
    st.sampled_from(ZONES),
)
TIMES = st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)).map(lambda d: d.timestamp())


@given(WINDOWS, TIMES)
def test_stretches_are_in_order_and_never_touch_and_one_comes_within_eight_days(window: Window, now: float) -> None:
    found = spans(window, now)
    edges = [edge for span in found for edge in span]
    assert edges == sorted(set(edges))
    assert found[0][1] > now
    assert found[0][0] <= now + 8 * 86400
    for begin, _end in found:
        local = datetime.fromtimestamp(begin, window.zone)
        assert local.weekday() in window.days or window.start.hour < 4  # an hour that was left out may end the day


@given(WINDOWS, TIMES, st.floats(0, 40_000))
def test_what_begins_is_inside_and_ends_inside(window: Window, now: float, seconds: float) -> None:
    found = begins(window, now, seconds)
    if found is None:
        assert all(end - max(begin, now) < seconds for begin, end in spans(window, now))
        return
    assert found >= now
    assert any(begin <= found and found + seconds <= end for begin, end in spans(window, now))
    # Looked at again when it opens, it begins: a job that waits is never sent away at the door.
    assert begins(window, found, seconds) == found


@given(WINDOWS, TIMES, st.floats(-40 * 86400, 40 * 86400))
def test_a_clock_that_is_set_is_simply_another_time(window: Window, now: float, jump: float) -> None:
    before = begins(window, now)
    begins(window, now + jump)
    assert begins(window, now) == before


def _steps(*risks: Risk) -> tuple[Step, ...]:
    return tuple(Step(str(i), "toy.make", {}, f"step {i}", risk=r, seconds=600) for i, r in enumerate(risks))


def test_what_has_become_risky_is_finished_in_one_go() -> None:
    steps = _steps(Risk.NONE, Risk.LOW, Risk.HIGH, Risk.LOW, Risk.LOW)
    assert [bound(steps, i) for i in range(5)] == [False, True, True, False, False]
    assert [seconds_needed(steps, i) for i in range(3)] == [600, 600, 1800]


@pytest.fixture
def nightly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.yaml"
    file.write_text('windows: {night: {days: [tue, wed], from: "22:00", to: "05:00", timezone: Asia/Shanghai}}\n')
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
    monkeypatch.setenv("BLUE_WIZARD_STATE_DIR", str(tmp_path))
    config.load.cache_clear()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{from: 22:00, to: '05:00'}", "quotes"),
        ("{from: '24:00', to: '05:00'}", "from"),
        ("{from: '22:00', to: '05:00', timezone: Mars/Base}", "time zone"),
        ("{from: '22:00', to: '05:00', days: [someday]}", "days"),
        ("{from: '22:00', to: '05:00', days: []}", "days"),
    ],
)
def test_a_window_that_can_not_be_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, word: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"windows: {{night: {text}}}\n")
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
    with pytest.raises(InputError, match=word):
        config.load()


@pytest.mark.usefixtures("nightly")
def test_a_plan_that_never_fits_is_refused_before_it_begins() -> None:
    plan = Plan("p", "toy", steps=_steps(Risk.LOW), window="night")
    refuse_misfits(plan, 0.0)
    long = replace(plan.steps[0], seconds=8 * 3600)
    with pytest.raises(Refused, match="step 0 of p needs 480 min"):
        refuse_misfits(replace(plan, steps=(long,)), 0.0)
    with pytest.raises(InputError, match="nights"):
        refuse_misfits(replace(plan, window="nights"), 0.0)
    with pytest.raises(InputError, match="nights"):
        windows.find("nights")


class Clocks:
    """A clock that moves ten minutes when somebody sleeps; `at` says what happens at a moment."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.at: dict[float, Callable[[], None]] = {}

    def sleep(self, _seconds: float) -> None:
        self.now += 600
        self.at.pop(self.now, lambda: None)()

    def clock(self) -> Clock:
        return Clock(lambda: self.now, lambda: self.now, self.sleep)


NOON = _at("2026-11-25T12:00:00", "Asia/Shanghai")  # a Wednesday
TEN = _at("2026-11-25T22:00:00", "Asia/Shanghai")


def _rest(tmp_path: Path, clocks: Clocks, steps: tuple[Step, ...] = _steps(Risk.LOW)) -> Ledger:
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    plan = Plan("p", "toy", steps=steps, window="night")
    if not ledger.jobs():
        ledger.add({id(plan): "j"}, plan, State.RUNNING, locks=[])
    assert wait_for_window(ledger, "j", plan, 0, clock=clocks.clock())
    return ledger


@pytest.mark.usefixtures("nightly")
def test_a_job_rests_until_its_window_opens_and_says_so(tmp_path: Path) -> None:
    clocks = Clocks(NOON)
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    seen = []
    clocks.at[NOON + 3600] = lambda: seen.append(ledger.job("j"))
    _rest(tmp_path, clocks)
    assert clocks.now == TEN
    assert (seen[0]["state"], seen[0]["resumes"]) == (State.PAUSED, TEN)
    assert "night" in seen[0]["reason"]
    after = ledger.job("j")
    assert (after["state"], after["resumes"], after["reason"]) == (State.RUNNING, None, "")


@pytest.mark.usefixtures("nightly")
def test_a_clock_that_is_set_while_a_job_rests_is_believed(tmp_path: Path) -> None:
    clocks = Clocks(NOON)

    def back() -> None:
        clocks.now -= 7 * 86400

    clocks.at[NOON + 3600] = back
    ledger = _rest(tmp_path, clocks)
    assert clocks.now == TEN - 7 * 86400
    told = [e["data"]["until"] for e in ledger.events(["j"]) if e["message"] == State.PAUSED]
    assert told == [TEN, TEN - 7 * 86400]


@pytest.mark.usefixtures("nightly")
def test_a_cancel_ends_the_rest_and_a_pause_takes_it_over(tmp_path: Path) -> None:
    clocks = Clocks(NOON)
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    clocks.at[NOON + 1200] = lambda: ledger.send("j", "pause")
    _rest(tmp_path, clocks)
    assert clocks.now == NOON + 1200
    ledger.send("j", "")
    clocks.at[NOON + 2400] = lambda: ledger.send("j", "cancel")
    with pytest.raises(Stopped):
        _rest(tmp_path, clocks)


@pytest.mark.usefixtures("nightly")
def test_what_has_no_risk_does_not_wait(tmp_path: Path) -> None:
    plan = Plan("p", "toy", steps=_steps(Risk.NONE), window="night")
    assert not wait_for_window(Ledger(), "j", plan, 0, clock=Clocks(NOON).clock())
