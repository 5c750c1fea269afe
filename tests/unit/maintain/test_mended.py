"""A guest has gone over, something failed after that, and Nova calls its server broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.maintain import invariant
from blue_wizard.maintain.actions.live import Arrive, Begin

from .fakes import Context, Nova, api_server

Use = Callable[[Nova], Nova]


def _begun(args: dict[str, Any], ctx: Context) -> dict[str, Any]:
    ctx.outcomes["start.s1"] = Begin().do(ctx, args)
    return {**args, "begin": "start.s1"}


def _resets(nova: Nova) -> int:
    return len([c for c in nova.calls if c[2] == {"os-resetState": {"state": "active"}}])


@pytest.mark.failure("b8")
def test_a_server_that_has_gone_over_and_runs_is_called_active_again(use: Use, args: dict[str, Any]) -> None:
    nova, ctx = use(Nova(api_server(), fate="late")), Context()
    arrive = _begun(args, ctx)
    outcome = Arrive().do(ctx, arrive)
    Arrive().verify(ctx, arrive, outcome)
    assert (outcome["host"], outcome["mended"], outcome["why"]) == ("cmp2", True, "NoValidHost: none")
    assert nova.servers["s1"]["OS-EXT-STS:vm_state"] == "active"
    # What it held on its source is given back, as Nova would have done.
    assert nova.held == {}
    assert _resets(nova) == 1


@pytest.mark.failure("b8")
@pytest.mark.parametrize("lag", [1, 2, 3, 5])
def test_a_server_that_breaks_a_moment_after_its_record_is_waited_for(use: Use, args: dict[str, Any], lag: int) -> None:
    nova, ctx = use(Nova(api_server(), fate="late")), Context()
    nova.lag = lag
    arrive = _begun(args, ctx)
    outcome = Arrive().do(ctx, arrive)
    for _look in range(lag):
        Arrive().verify(ctx, arrive, outcome)
    assert nova.servers["s1"]["OS-EXT-STS:vm_state"] == "active"
    assert (nova.held, _resets(nova)) == ({}, 1)


def test_a_server_that_breaks_while_its_job_is_undone_is_brought_home(use: Use, args: dict[str, Any]) -> None:
    nova, ctx = use(Nova(api_server(), fate="late")), Context()
    nova.lag = 3
    _begun(args, ctx)
    _gone_over(nova)
    nova.fate = "completed"
    Begin().undo(ctx, args, ctx.outcomes["start.s1"])
    server = nova.servers["s1"]
    assert (server["OS-EXT-SRV-ATTR:host"], server["OS-EXT-STS:vm_state"]) == ("cmp1", "active")


def test_killed_after_it_was_mended_the_next_one_sees_it_there(use: Use, args: dict[str, Any]) -> None:
    nova, ctx = use(Nova(api_server(), fate="late")), Context()
    arrive = _begun(args, ctx)
    Arrive().do(ctx, arrive)
    again = Context(notes=dict(ctx.notes), outcomes=dict(ctx.outcomes))
    assert Arrive().do(again, arrive)["host"] == "cmp2"
    assert _resets(nova) == 1


def test_it_is_brought_home_when_the_job_is_undone(use: Use, args: dict[str, Any]) -> None:
    nova, ctx = use(Nova(api_server(), fate="late")), Context()
    _begun(args, ctx)
    _gone_over(nova)
    nova.fate = "completed"
    Begin().undo(ctx, args, ctx.outcomes["start.s1"])
    server = nova.servers["s1"]
    assert (server["OS-EXT-SRV-ATTR:host"], server["OS-EXT-STS:vm_state"]) == ("cmp1", "active")
    assert nova.held == {}


def _gone_over(nova: Nova) -> None:
    nova.get("compute", "/servers/s1")
    nova.get("compute", "/servers/s1")


@pytest.mark.failure("b8")
@pytest.mark.parametrize("undone", [False, True])
def test_a_guest_that_does_not_run_is_left_for_a_person(
    use: Use, args: dict[str, Any], monkeypatch: pytest.MonkeyPatch, undone: bool
) -> None:
    nova, ctx = use(Nova(api_server(), fate="late")), Context()
    nova.asleep = {"s1"}
    monkeypatch.setattr("blue_wizard.maintain.actions.mended._AGREE_S", 0)
    arrive = _begun(args, ctx)
    _gone_over(nova)
    with pytest.raises(StepFailed, match="does not run on cmp2") as told:
        Begin().undo(ctx, args, ctx.outcomes["start.s1"]) if undone else Arrive().do(ctx, arrive)
    assert "cmp2" in told.value.hint
    assert _resets(nova) == 0
    assert nova.servers["s1"]["OS-EXT-STS:vm_state"] == "error"


def test_the_invariant_gives_the_step_time_to_mend(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    nova = use(Nova(api_server(vm_state="error")))
    nova.services["cmp1"]["status"] = "disabled"
    given = {"cloud": "lab", "host": "cmp1", "service": "svc-cmp1", "servers": ["s1"]}
    assert "name-s1" in invariant.kept(given, {"settle"})
    monkeypatch.setattr("time.sleep", lambda _s: nova.servers["s1"].update({"OS-EXT-STS:vm_state": "active"}))
    assert invariant.kept(given, {"settle"}) == ""
