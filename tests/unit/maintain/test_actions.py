"""The actions on a cloud of plain data: what is asked of it, what is adopted, what is undone and what is left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.maintain import actions, mark, operation
from blue_wizard.maintain.actions.cold import ColdMigrate
from blue_wizard.maintain.actions.cordon import Disable, Enable
from blue_wizard.maintain.actions.dead import Evacuate, ForceDown, Gone
from blue_wizard.maintain.actions.empty import Settle
from blue_wizard.maintain.actions.live import Arrive, Begin
from blue_wizard.maintain.actions.power import Rest

from .fakes import Context, Nova, api_server

Use = Callable[[Nova], Nova]
CLOSE = {"cloud": "lab", "host": "cmp1", "service": "svc-cmp1", "reason": "reboot", "foreign": ""}


def test_every_file_of_actions_is_registered() -> None:
    folder = Path(str(actions.__file__)).parent
    files = {f"{actions.__name__}.{f.stem}" for f in folder.glob("*.py")} - {f"{actions.__name__}.__init__"}
    assert {m.__name__ for m in operation.modules} >= files
    assert len(files) > 10


def _disable(nova: Nova, reason: str) -> None:
    nova.services["cmp1"].update(status="disabled", disabled_reason=reason)


def test_closing_writes_our_mark_and_opening_takes_it_away(use: Use) -> None:
    nova, ctx = use(Nova()), Context()
    assert Disable().probe(ctx, CLOSE) is None
    outcome = Disable().do(ctx, CLOSE)
    Disable().verify(ctx, CLOSE, outcome)
    assert mark.job_of(nova.services["cmp1"]["disabled_reason"]) == ctx.job_id
    assert Disable().probe(ctx, CLOSE) == outcome
    Disable().undo(ctx, CLOSE, outcome)
    assert nova.services["cmp1"]["status"] == "enabled"


def test_a_foreign_reason_is_never_overwritten_nor_taken_away(use: Use) -> None:
    nova, ctx = use(Nova()), Context()
    _disable(nova, "ticket 4711")
    with pytest.raises(StepFailed, match="ticket 4711"):
        Disable().probe(ctx, CLOSE)
    allowed = {**CLOSE, "foreign": "ticket 4711"}
    outcome = Disable().probe(ctx, allowed)
    assert outcome is not None
    assert outcome["ours"] is False
    Disable().undo(ctx, allowed, outcome)
    opened = Enable().probe(ctx, {**CLOSE, "job": ctx.job_id})
    assert opened == {"enabled": False, "ours": False, "reason": "ticket 4711"}
    assert nova.calls == []


def test_giving_back_only_opens_what_its_job_has_closed(use: Use) -> None:
    nova, ctx = use(Nova()), Context(job_id="h-later")
    reason = mark.reason_text("h-aaaaaa", "reboot")
    _disable(nova, reason)
    args = {**CLOSE, "job": "h-aaaaaa"}
    assert Enable().probe(ctx, args) is None
    outcome = Enable().do(ctx, args)
    Enable().verify(ctx, args, outcome)
    Enable().undo(ctx, args, outcome)
    assert nova.services["cmp1"]["disabled_reason"] == reason


@pytest.mark.failure("b18")
def test_a_server_that_came_at_the_last_moment_is_noticed(use: Use) -> None:
    use(Nova(api_server("s1"), api_server("s2"), api_server("s3", host="cmp2")))
    args = {"cloud": "lab", "host": "cmp1", "servers": ["s1", "s2"]}
    assert Settle().do(Context(), args) == {"servers": ["s1", "s2"]}
    with pytest.raises(StepFailed, match="name-s2"):
        Settle().do(Context(), {**args, "servers": ["s1"]})


def _begin(args: dict[str, Any], ctx: Context) -> dict[str, Any]:
    begun = Begin().probe(ctx, args) or Begin().do(ctx, args)
    ctx.outcomes["start.s1"] = begun
    return {**args, "begin": "start.s1"}


def test_a_move_and_its_way_back(use: Use, args: dict[str, Any]) -> None:
    nova, ctx = use(Nova(api_server())), Context()
    arrive = _begin(args, ctx)
    assert Arrive().probe(ctx, arrive) is None
    outcome = Arrive().do(ctx, arrive)
    Arrive().verify(ctx, arrive, outcome)
    assert (outcome["host"], outcome["migration"]) == ("cmp2", 1)
    assert Arrive().probe(ctx, arrive) is not None
    _disable(nova, mark.reason_text(ctx.job_id, "reboot"))

    Begin().undo(ctx, args, ctx.outcomes["start.s1"])

    assert nova.servers["s1"]["OS-EXT-SRV-ATTR:host"] == "cmp1"
    # It can only come back to a host that takes servers.
    assert nova.services["cmp1"]["status"] == "enabled"
    assert [c[2]["os-migrateLive"]["host"] for c in nova.calls if c[0] == "POST"] == ["cmp2", "cmp1"]


def test_nothing_more_is_read_of_who_has_arrived(
    use: Use, args: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    nova, ctx = use(Nova(api_server())), Context()
    arrive = _begin(args, ctx)
    listing, reads = nova.list, []

    def told(service: str, path: str, key: str) -> list[dict[str, Any]]:
        reads.append(key)
        return listing(service, path, key)

    monkeypatch.setattr(nova, "list", told)
    outcome = Arrive().do(ctx, arrive)
    assert (outcome["host"], outcome["mended"]) == ("cmp2", False)
    # The ports are the last of what has to agree.
    assert "migrations" in reads
    assert reads[-1] == "ports"


@pytest.mark.failure("b27")
def test_a_migration_in_flight_is_adopted_and_not_begun_twice(use: Use, args: dict[str, Any]) -> None:
    nova, ctx = use(Nova(api_server())), Context()
    Begin().do(ctx, args)
    # The worker is killed here; the next one knows only the notes.
    again = Context(notes=dict(ctx.notes))
    arrive = _begin(args, again)
    assert again.outcomes["start.s1"]["adopted"] is True
    assert Arrive().do(again, arrive)["host"] == "cmp2"
    assert len([c for c in nova.calls if c[0] == "POST"]) == 1


def test_a_move_that_ended_while_nobody_looked_is_still_ours_to_undo(use: Use, args: dict[str, Any]) -> None:
    nova, ctx = use(Nova(api_server())), Context()
    Begin().do(ctx, args)
    nova.migrations[0]["status"] = "completed"
    nova.servers["s1"].update({"OS-EXT-SRV-ATTR:host": "cmp2", "OS-EXT-STS:task_state": None})
    again = Context(notes=dict(ctx.notes))
    outcome = Begin().probe(again, args)
    assert outcome == {"away": "cmp2", "ours": True, "migration": 1}
    Begin().undo(again, args, outcome)
    assert nova.servers["s1"]["OS-EXT-SRV-ATTR:host"] == "cmp1"


def test_what_somebody_else_moved_is_not_brought_back(use: Use, args: dict[str, Any]) -> None:
    nova, ctx = use(Nova(api_server(host="cmp2"))), Context()
    arrive = _begin(args, ctx)
    assert Arrive().probe(ctx, arrive) == {"host": "cmp2", "note": "was moved by somebody else"}
    Begin().undo(ctx, args, ctx.outcomes["start.s1"])
    assert nova.calls == []


@pytest.mark.failure("b17")
def test_a_server_that_its_owner_deletes_stops_nobody(use: Use, args: dict[str, Any]) -> None:
    nova, ctx = use(Nova(api_server())), Context()
    arrive = _begin(args, ctx)
    del nova.servers["s1"]
    assert Arrive().do(ctx, arrive)["note"]
    gone = Context()
    arrive = _begin(args, gone)
    assert Arrive().probe(gone, arrive) == {"host": None, "note": "was deleted meanwhile"}
    Begin().undo(gone, args, gone.outcomes["start.s1"])


@pytest.mark.failure("b1", "b2")
def test_a_refusal_after_the_call_is_told_in_novas_words(use: Use, args: dict[str, Any]) -> None:
    nova, ctx = use(Nova(api_server(), fate="error")), Context()
    arrive = _begin(args, ctx)
    with pytest.raises(StepFailed, match="NoValidHost: none"):
        Arrive().do(ctx, arrive)
    Begin().undo(ctx, args, ctx.outcomes["start.s1"])
    assert nova.servers["s1"]["OS-EXT-SRV-ATTR:host"] == "cmp1"


@pytest.mark.failure("b2")
def test_newer_clouds_say_it_in_plain_words(use: Use, args: dict[str, Any]) -> None:
    nova, ctx = use(Nova(api_server(), fate="error")), Context()
    nova.plain = True
    arrive = _begin(args, ctx)
    with pytest.raises(StepFailed, match="No valid host was found"):
        Arrive().do(ctx, arrive)


def test_a_move_that_was_begun_and_stopped_is_aborted(use: Use, args: dict[str, Any]) -> None:
    nova, ctx = use(Nova(api_server())), Context()
    _begin(args, ctx)
    Begin().undo(ctx, args, None)
    assert nova.migrations[0]["status"] == "cancelled"
    assert nova.servers["s1"]["OS-EXT-SRV-ATTR:host"] == "cmp1"


def test_a_step_that_never_asked_undoes_nothing(use: Use, args: dict[str, Any]) -> None:
    nova = use(Nova(api_server()))
    Begin().undo(Context(), args, None)
    ColdMigrate().undo(Context(), args, None)
    assert nova.calls == []


@pytest.mark.failure("b11")
def test_a_silent_server_has_its_migration_aborted(
    use: Use, args: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    nova, ctx = use(Nova(api_server(), fate="running")), Context()
    arrive = _begin(args, ctx)
    monkeypatch.setattr("blue_wizard.maintain.probes.Watch.silent_s", lambda _self: 31.0)
    with pytest.raises(StepFailed, match="not heard for 30 s"):
        Arrive().do(ctx, arrive)
    assert nova.migrations[0]["status"] == "cancelled"


@pytest.mark.failure("b3")
def test_a_migration_that_does_not_converge_is_forced_only_with_consent(
    use: Use, args: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blue_wizard.maintain.actions.live.time", FakeTime())
    nova, ctx = use(Nova(api_server(), fate="running")), Context()
    arrive = _begin(args, ctx)
    with pytest.raises(StepFailed, match="did not arrive in 300 s"):
        Arrive().do(ctx, arrive)
    assert nova.migrations[0]["status"] == "cancelled"
    willing, other = use(Nova(api_server(), fate="running")), Context()
    arrive = _begin({**args, "force": True}, other)
    assert Arrive().do(other, arrive)["host"] == "cmp2"
    assert ("effect", "force migration to complete") in other.events
    assert willing.migrations[0]["status"] == "completed"


class FakeTime:
    """Every look takes a minute."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        self._now += 30.0
        return self._now

    def time(self) -> float:
        return self._now

    def sleep(self, _seconds: float) -> None:
        pass


def test_a_server_that_is_off_is_moved_and_confirmed(use: Use, args: dict[str, Any]) -> None:
    nova, ctx = use(Nova(api_server(vm_state="stopped"), fate="finished")), Context()
    assert ColdMigrate().probe(ctx, args) is None
    outcome = ColdMigrate().do(ctx, args)
    ColdMigrate().verify(ctx, args, outcome)
    assert outcome["host"] == "cmp2"
    assert [next(iter(c[2])) for c in nova.calls] == ["migrate", "confirmResize"]
    ColdMigrate().undo(ctx, args, outcome)
    assert nova.servers["s1"]["OS-EXT-SRV-ATTR:host"] == "cmp1"


def test_an_unconfirmed_move_is_reverted(use: Use, args: dict[str, Any]) -> None:
    nova = use(Nova(api_server(vm_state="stopped"), fate="finished"))
    ctx = Context(notes={"before": 0})
    nova.post("compute", "/servers/s1/action", {"migrate": {"host": "cmp2"}})
    ColdMigrate().undo(ctx, args, None)
    assert nova.servers["s1"]["OS-EXT-SRV-ATTR:host"] == "cmp1"
    assert next(iter(nova.calls[-1][2])) == "revertResize"


def test_a_killed_cold_move_is_not_begun_twice(use: Use, args: dict[str, Any]) -> None:
    nova = use(Nova(api_server(vm_state="stopped"), fate="finished"))
    ctx = Context(notes={"before": 0})
    nova.post("compute", "/servers/s1/action", {"migrate": {"host": "cmp2"}})
    assert ColdMigrate().do(ctx, args)["host"] == "cmp2"
    assert [next(iter(c[2])) for c in nova.calls] == ["migrate", "confirmResize"]


def test_only_who_was_stopped_by_us_is_started_again(use: Use, args: dict[str, Any]) -> None:
    nova, ctx = use(Nova(api_server())), Context()
    assert Rest().probe(ctx, args) is None
    outcome = Rest().do(ctx, args)
    assert nova.servers["s1"]["OS-EXT-STS:vm_state"] == "stopped"
    Rest().undo(ctx, args, outcome)
    assert nova.servers["s1"]["OS-EXT-STS:vm_state"] == "active"
    off, other = use(Nova(api_server(vm_state="stopped"))), Context()
    found = Rest().probe(other, args)
    assert found == {"ours": False, "note": ""}
    Rest().undo(other, args, found)
    assert off.calls == []


class Answered(Context):
    """A person has answered the step's question."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def answer(self) -> str | None:
        return self._text


@pytest.fixture
def dead(use: Use, monkeypatch: pytest.MonkeyPatch) -> Nova:
    nova = use(Nova(api_server(), fate="done"))
    nova.services["cmp1"].update(state="down", forced_down=False)

    def silent(_host: str, **_more: Any) -> tuple[str, str]:
        raise StepFailed("no route to host")

    monkeypatch.setattr("blue_wizard.reach.computes.boot_of", silent)
    return nova


def test_a_host_is_fenced_by_its_name_alone(dead: Nova) -> None:
    for word in ("yes", "cmp", ""):
        with pytest.raises(StepFailed, match="not confirmed"):
            ForceDown().do(Answered(word), CLOSE)
    assert dead.calls == []
    ctx = Answered("cmp1")
    assert ForceDown().probe(ctx, CLOSE) is None
    outcome = ForceDown().do(ctx, CLOSE)
    assert dead.services["cmp1"]["forced_down"] is True
    assert ForceDown().probe(ctx, CLOSE) == outcome
    ForceDown().undo(ctx, CLOSE, outcome)
    assert dead.services["cmp1"]["forced_down"] is False


def test_a_host_that_gives_a_sign_of_life_is_not_fenced(dead: Nova, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blue_wizard.reach.computes.boot_of", lambda _h, **_m: ("boot", "6.1"))
    with pytest.raises(StepFailed, match="answers over SSH"):
        ForceDown().do(Answered("cmp1"), CLOSE)
    dead.services["cmp1"]["state"] = "up"
    with pytest.raises(StepFailed, match="not dead"):
        ForceDown().do(Answered("cmp1"), CLOSE)
    assert dead.calls == []


def test_what_somebody_else_forced_down_stays_so(dead: Nova) -> None:
    dead.services["cmp1"]["forced_down"] = True
    ctx = Context()
    outcome = ForceDown().probe(ctx, CLOSE)
    assert outcome == {"ours": False}
    ForceDown().undo(ctx, CLOSE, outcome)
    assert dead.calls == []


def test_a_server_is_built_anew_and_that_is_not_undone(dead: Nova, args: dict[str, Any]) -> None:
    ctx = Context()
    assert Evacuate().probe(ctx, args) is None
    outcome = Evacuate().do(ctx, args)
    Evacuate().verify(ctx, args, outcome)
    assert outcome == {"host": "cmp2", "note": ""}
    again = Context(notes=dict(ctx.notes))
    assert Evacuate().probe(again, args) == outcome
    assert [next(iter(c[2])) for c in dead.calls] == ["evacuate"]
    with pytest.raises(StepFailed, match="can't be undone"):
        Evacuate().undo(ctx, args, outcome)
    assert Gone().do(ctx, {**CLOSE, "staying": []}) == {"staying": []}


def test_a_killed_evacuation_is_not_asked_for_twice(dead: Nova, args: dict[str, Any]) -> None:
    dead.post("compute", "/servers/s1/action", {"evacuate": {"host": "cmp2"}})
    assert Evacuate().do(Context(notes={"asked": True}), args)["host"] == "cmp2"
    assert len(dead.calls) == 1


def test_an_evacuation_that_fails_says_why(dead: Nova, args: dict[str, Any]) -> None:
    dead.fate = "failed"
    with pytest.raises(StepFailed, match="NoValidHost"):
        Evacuate().do(Context(), args)


def test_only_who_has_to_goes_past_the_scheduler(use: Use, args: dict[str, Any]) -> None:
    for unscheduled in (False, True):
        nova, ctx = use(Nova(api_server())), Context()
        Begin().do(ctx, {**args, "unscheduled": unscheduled})
        assert nova.calls[0][2]["os-migrateLive"]["force"] is unscheduled
