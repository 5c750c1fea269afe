"""Many hosts: who begins when, how long it takes, and one host's part carried out on a cloud of plain data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from blue_wizard.jobs import actions
from blue_wizard.jobs.model import Plan
from blue_wizard.maintain import campaign, enter, leave, promised
from blue_wizard.maintain.actions import campaign as turns
from blue_wizard.maintain.actions.campaign import turn_of
from blue_wizard.maintain.model import Beside

from .fakes import Nova
from .test_whole import JOB, World, _entered, _plan

PARAMS = campaign.Params("lab", ("cmp1", "cmp2", "cmp3"), "cpu-bug", run=("true",), max_unavailable=2)


def _compiled(params: campaign.Params = PARAMS) -> Plan:
    each = dict.fromkeys(params.hosts, 100.0)
    return campaign.compile_plan(params, dict.fromkeys(params.hosts, "nova"), each, dict.fromkeys(params.hosts, 3))


@pytest.mark.parametrize(
    ("states", "mine", "expected"),
    [
        ({"a": "running", "b": "running"}, "a", (True, "")),
        ({"a": "running", "b": "running"}, "b", (False, "")),
        ({"a": "done", "b": "running"}, "b", (True, "")),
        ({"a": "failed", "b": "running"}, "b", (False, "a")),
        ({"a": "done", "b": "stuck", "c": "running"}, "c", (True, "b")),
        ({"a": "done", "b": "cancelled", "c": "running"}, "c", (True, "b")),
        ({"a": "done", "b": "rolling-back", "c": "running"}, "c", (True, "b")),
    ],
)
def test_the_first_one_alone_and_none_after_a_failure(
    states: dict[str, str], mine: str, expected: tuple[bool, str]
) -> None:
    assert turn_of(states, mine, "a") == expected


@pytest.mark.parametrize(("lanes", "total"), [(1, 100.0), (2, 60.0), (9, 40.0)])
def test_forecast(lanes: int, total: float) -> None:
    found = campaign.forecast({"a": 10.0, "b": 20.0, "c": 20.0, "d": 30.0, "e": 20.0}, lanes)
    assert found.total == total


def test_a_part_a_host_each_with_its_claim() -> None:
    plan = _compiled()
    assert [c.target for c in plan.children] == ["cmp1", "cmp2", "cmp3"]
    assert [s.id for s in plan.children[1].steps] == ["turn", "enter", "work", "leave"]
    (claim,) = plan.children[1].claims
    assert (claim.member, claim.most, claim.keep) == ("host:lab/cmp2", 2, False)
    assert all(part.steps[2].gate is None for part in plan.children)
    assert Plan.from_json(plan.as_json()).digest == _compiled().digest


def test_a_person_is_asked_where_nothing_is_run() -> None:
    plan = _compiled(campaign.Params("lab", ("cmp1",), "hardware"))
    gate = plan.children[0].steps[2].gate
    assert gate is not None
    assert "cmp1" in gate.question


def test_params_survive_the_ledger() -> None:
    assert campaign.Params.from_json(PARAMS.as_json()) == PARAMS
    mine = PARAMS.for_host("cmp2")
    assert mine.avoid == ("cmp1", "cmp3")
    assert enter.Params.from_json(mine.as_json()) == mine


class OneHost(World):
    """A campaign's part for cmp1, whose plan is made of what the cloud has at that time."""

    def __init__(self, use: Callable[[Nova], Nova], monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(use, monkeypatch)
        monkeypatch.setattr(enter, "planned", lambda _params, _beside: _plan(self))
        monkeypatch.setattr(promised, "by_others", lambda _job: self.beside)
        self.beside = Beside()
        monkeypatch.setattr(turns, "_is_done", lambda _ctx, _host: False)
        self.part = _compiled().children[0]
        self.steps = {s.id: s for s in self.part.steps}


@pytest.fixture
def one(use: Callable[[Nova], Nova], monkeypatch: pytest.MonkeyPatch) -> OneHost:
    return OneHost(use, monkeypatch)


def test_one_host_is_emptied_and_given_back(one: OneHost) -> None:
    one.carry_out(one.steps["enter"])
    _entered(one)
    assert one.outcomes["enter"]["report"]["safe"] is True
    one.carry_out(one.steps["leave"])
    servers, services, flags, keys = one.state()
    assert (services["cmp1"], flags, keys) == (("enabled", ""), {}, {})
    # Those that were moved stay where they are, unless it is asked for; who was shut down runs again.
    assert {k: v[0] for k, v in servers.items()} == {
        "run1": "cmp2", "run2": "cmp2", "off": "cmp2", "rest": "cmp1", "other": "cmp2",
    }  # fmt: skip
    assert servers["rest"][1] == "active"
    assert one.outcomes["leave"]["report"]["in_service"] is True


@pytest.mark.parametrize("inner", ["cordon", "stop.rest", "start.run1", "move.run2", "cold.off", "empty", "quiet"])
@pytest.mark.parametrize("roll_back", [False, True])
def test_killed_inside_and_carried_on_or_rolled_back(
    one: OneHost, monkeypatch: pytest.MonkeyPatch, inner: str, roll_back: bool
) -> None:
    before = one.state()
    find = actions.find
    killed: list[str] = []

    def deadly(verb: str) -> Any:
        found = find(verb)
        original = found.verify

        def verify(ctx: Any, args: Any, outcome: Any) -> None:
            if ctx.step_id == inner and not killed:
                killed.append(inner)
                raise SystemExit
            original(ctx, args, outcome)

        found.verify = verify  # type: ignore[method-assign]
        return found

    monkeypatch.setattr(actions, "find", deadly)
    with pytest.raises(SystemExit):
        one.carry_out(one.steps["enter"])
    if roll_back:
        one.undo([one.steps["enter"]])
        assert one.state() == before
    else:
        one.carry_out(one.steps["enter"])
        _entered(one)
        asked = sorted(next(iter(c[2])) for c in one.nova.calls if c[0] == "POST")
        assert asked == ["confirmResize", "migrate", "os-migrateLive", "os-migrateLive", "os-stop"]


def test_giving_back_can_be_rolled_back(one: OneHost) -> None:
    before = one.state()
    one.carry_out(one.steps["enter"])
    one.carry_out(one.steps["leave"])
    one.undo([one.steps["enter"], one.steps["leave"]])
    assert one.state() == before


def test_the_report_tells_each_host(one: OneHost) -> None:
    one.carry_out(one.steps["enter"])
    steps = [{"id": i, "outcome": one.outcomes.get(i)} for i in ("turn", "enter", "work", "leave")]
    part = {"target": "cmp1", "state": "failed", "error": "work: exit 1", "took_s": 5.0, "steps": steps}
    (row,) = campaign.report({"children": [part]})["hosts"]
    assert (row["host"], row["in_service"], row["error"]) == ("cmp1", False, "work: exit 1")
    assert {s["id"] for s in row["servers"]} == {"run1", "run2", "off", "rest"}
    assert leave.Params("lab", "cmp1", JOB).job == JOB


def test_no_plan_is_made_while_others_still_send_servers_here(one: OneHost, monkeypatch: pytest.MonkeyPatch) -> None:
    one.beside = Beside({"x": "cmp1"})
    planned: list[Any] = []

    def arrives(_s: float) -> None:
        planned.append(one.notes.get("enter", {}).get("plan"))
        one.beside = Beside()

    monkeypatch.setattr("time.sleep", arrives)
    one.carry_out(one.steps["enter"])
    assert planned[0] is None
    _entered(one)


def test_only_parts_whose_turn_has_come_are_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [{"verb": "nova.server.live-migrate", "args": {"server": "s1", "dest": "cmp9"}}]
    enter_steps = {
        "j1": {"id": "enter", "state": "running", "notes": {"plan": {"steps": steps}}},
        "j2": {"id": "enter", "state": "running", "notes": {"plan": {"steps": steps}}},
        "j3": {"id": "enter", "state": "pending", "notes": {}},
        "j4": {"id": "enter", "state": "done", "notes": {"plan": {"steps": steps}}},
    }
    states = {"j1": "running", "j2": "running", "j3": "running", "j4": "done"}

    class Book:
        def job(self, _job: str) -> dict[str, Any]:
            return {"parent": "root"}

        def jobs(self, *, parent: str) -> list[dict[str, Any]]:
            assert parent == "root"
            return [{"id": j, "state": s, "target": f"host-{j}"} for j, s in states.items()]

        def steps(self, job: str) -> list[dict[str, Any]]:
            return [enter_steps[job]]

    monkeypatch.setattr(promised, "Ledger", Book)
    assert promised.by_others("j1") == Beside({"s1": "cmp9"}, frozenset({"host-j2"}))
