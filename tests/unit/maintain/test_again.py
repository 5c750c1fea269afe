"""A destination has a server's old folder of disks: Nova refuses once, clears it up, and takes the server then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.maintain.actions import again
from blue_wizard.maintain.actions.live import Arrive, Begin, carry

from .fakes import Context, Nova, api_server

Use = Callable[[Nova], Nova]
# As Nova's API says it since microversion 2.84, and as the trace of older ones ends.
WORDS = [
    "The supplied disk path (/var/lib/nova/instances/s1) already exists, it is expected not to exist.",
    "nova.exception_Remote.DestinationDiskExists_Remote: The supplied disk path (/x/s1) already exists",
]


def _refusing(use: Use, monkeypatch: pytest.MonkeyPatch, words: str, times: int) -> Nova:
    nova = use(Nova(api_server(), fate="error"))
    nova.why = words
    left = times

    def cleared(_seconds: float) -> None:
        nonlocal left
        left -= 1
        if not left:
            nova.fate = "completed"

    monkeypatch.setattr(again, "time", type("Clock", (), {"sleep": staticmethod(cleared)}))
    return nova


def _asked(nova: Nova) -> int:
    return len([c for c in nova.calls if isinstance(c[2], dict) and "os-migrateLive" in c[2]])


@pytest.mark.parametrize("words", WORDS)
def test_it_is_asked_again(use: Use, args: dict[str, Any], monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    nova, ctx = _refusing(use, monkeypatch, words, 1), Context()
    ctx.outcomes["start.s1"] = Begin().do(ctx, args)
    arrive = {**args, "begin": "start.s1"}
    outcome = Arrive().do(ctx, arrive)
    Arrive().verify(ctx, arrive, outcome)
    assert (outcome["host"], outcome["mended"], _asked(nova)) == ("cmp2", False, 2)
    assert outcome["migration"] != ctx.outcomes["start.s1"]["migration"]
    assert ("warning", "old folder of disks on destination") in ctx.events


def test_a_killed_attempt_that_had_asked_again_is_adopted(
    use: Use, args: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    nova, ctx = _refusing(use, monkeypatch, WORDS[0], 1), Context()
    ctx.outcomes["start.s1"] = Begin().do(ctx, args)
    arrive = {**args, "begin": "start.s1"}
    Arrive().do(ctx, arrive)
    after = Context(notes=dict(ctx.notes), outcomes=dict(ctx.outcomes))
    assert Arrive().do(after, arrive)["host"] == "cmp2"
    assert _asked(nova) == 2


def test_it_is_not_asked_for_ever(use: Use, args: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    nova, ctx = _refusing(use, monkeypatch, WORDS[0], 99), Context()
    with pytest.raises(StepFailed, match="already exists"):
        carry(ctx, nova, args, "cmp1", "cmp2")  # type: ignore[arg-type]
    assert _asked(nova) == 1 + again.TRIES


def test_another_failure_is_told_at_once(use: Use, args: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    nova, ctx = _refusing(use, monkeypatch, "NoValidHost: none", 99), Context()
    with pytest.raises(StepFailed, match="NoValidHost"):
        carry(ctx, nova, args, "cmp1", "cmp2")  # type: ignore[arg-type]
    assert _asked(nova) == 1
