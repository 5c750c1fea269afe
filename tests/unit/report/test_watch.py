"""The live view fits the terminal, and shows first what needs a person."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from blue_wizard.report.watch import live_view, seconds_left, share_done
from blue_wizard.units import clock_text


def _step(number: int, state: str = "pending", **more: Any) -> dict[str, Any]:
    plain = {"took_s": None, "error": None, "progress": None, "seconds": 60.0}
    return {"id": f"s{number}", "title": f"step {number}", "state": state} | plain | more


def _view(job: str, state: str = "running", steps: Any = (), children: Any = (), **more: Any) -> dict[str, Any]:
    plain = {"error": "", "reason": "", "resumes": None, "started": 100.0, "ended": None, "gate": None, "left": []}
    return {
        "job": job,
        "title": f"title of {job}",
        "state": state,
        "steps": list(steps),
        "children": list(children),
    } | {
        **plain,
        **more,
    }


def _shown(view: dict[str, Any], height: int = 24, now: float = 200.0) -> list[str]:
    console = Console(width=100, height=height)
    with console.capture() as capture:
        console.print(live_view(view, height=height, now=now))
    return capture.get().rstrip("\n").split("\n")


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 60),
    st.integers(0, 300),
    st.integers(12, 60),
    st.sampled_from(["running", "paused", "failed"]),
)
def test_it_fits(steps: int, parts: int, height: int, state: str) -> None:
    done = steps // 2
    states = ["done" if i < done else "running" if i == done else "pending" for i in range(steps)]
    own = [_step(i, s, title="t" * 7 * i, error="e" * 9 * i) for i, s in enumerate(states)]
    names = ["queued", "running", "done", "failed", "waiting"]
    kids = [_view(f"j.{i}", names[i % 5], [_step(0, "running", error="x" * 300)]) for i in range(parts)]
    view = _view("j", state, own, kids, error="e" * 500, left=[{"title": "t", "error": "e", "by_hand": "rm"}] * 30)
    assert len(_shown(view, height)) < height


def test_of_many_parts_those_that_failed_and_run_are_shown_and_all_are_counted() -> None:
    kids = [_view(f"j.{i}", "done") for i in range(200)] + [_view(f"j.q{i}", "queued") for i in range(50)]
    progress = {"done": 50, "total": 100, "unit": "B", "rate": 2048.0, "left_s": 9, "note": ""}
    kids.append(_view("j.run", "running", [_step(0, "done"), _step(1, "running", progress=progress)]))
    kids.append(_view("j.bad", "failed", error="no room"))
    text = "\n".join(_shown(_view("j", children=kids)))
    assert "done: 200" in text
    assert "queued: 50" in text
    assert text.index("j.bad") < text.index("j.run")
    assert "2/2 step 1" in text
    assert "50 %" in text
    assert "2.0 KiB/s" in text
    assert "j.q1" not in text


def test_of_many_steps_those_around_the_running_one_are_shown() -> None:
    steps = [_step(i, "done" if i < 40 else "running" if i == 40 else "pending") for i in range(80)]
    text = "\n".join(_shown(_view("j", steps=steps)))
    assert "step 40" in text
    assert "before" in text
    assert "more" in text


def test_the_time_left_is_told_by_the_pace_so_far() -> None:
    half = _view("j", steps=[_step(0, "done"), _step(1)])
    assert share_done(half) == 0.5
    assert seconds_left(half, 200.0) == pytest.approx(100)
    assert seconds_left(_view("j", steps=[_step(0)]), 200.0) is None
    assert share_done(_view("j", steps=[_step(0, seconds=None)])) is None


def test_a_job_that_waits_for_its_window_says_when_it_goes_on() -> None:
    text = "\n".join(_shown(_view("j", "paused", reason="waits for its window", resumes=1_000_000.0)))
    assert "waits for its window" in text
    assert f"goes on by itself at {clock_text(1_000_000.0)}" in text
    assert "job resume" not in text
    assert "job resume" in "\n".join(_shown(_view("j", "paused", reason="told to")))


def test_parts_that_rest_are_told_of_once_with_the_first_of_their_times() -> None:
    kids = [_view(f"j.{i}", "paused", reason="waits for its window", resumes=2_000_000.0 - i) for i in range(9)]
    text = "\n".join(_shown(_view("j", children=kids), height=50))
    assert text.count("waits for its window") == 1
    assert f"goes on by itself at {clock_text(1_999_992.0)}" in text
    assert "job cancel j" in text
