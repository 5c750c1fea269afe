"""Whole plans on a cloud of plain data, in the engine's order: run, killed in every step, rolled back from every step.

The engine is not here (tests/crash kills real workers); what is shown is that every action finds what a killed one left, and
that undoing in reverse order brings the cloud back to where it was.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from blue_wizard.facts.osds import HostOsds
from blue_wizard.facts.servers import parse_server
from blue_wizard.jobs import actions
from blue_wizard.jobs.model import Plan, Step
from blue_wizard.maintain import enter, plan_leave, storage
from blue_wizard.maintain.actions import quiet
from blue_wizard.maintain.leave import entered_of
from blue_wizard.maintain.model import Assessment, Reason, Verb, Wishes
from blue_wizard.maintain.plan_enter import Options, compile_plan
from blue_wizard.maintain.plan_leave import Returning, Wanted
from blue_wizard.maintain.survey import Allowed, judge
from blue_wizard.reach import computes

from .fakes import Context, FakeCeph, Nova, api_server, site

JOB = "h-aaaaaa"


class Killed(Exception):
    """The worker is gone."""


class World:
    """The cloud, its Ceph, and the ledger's part that survives a worker: notes and outcomes."""

    def __init__(self, use: Callable[[Nova], Nova], monkeypatch: pytest.MonkeyPatch) -> None:
        self.nova = use(
            Nova(
                api_server("run1"),
                api_server("run2"),
                api_server("off", vm_state="stopped"),
                api_server("rest"),
                api_server("other", host="cmp2"),
            )
        )
        self.ceph = FakeCeph()
        for module in (quiet, storage):
            monkeypatch.setattr(module, "Ceph", lambda _cloud: self.ceph)
        monkeypatch.setattr(storage, "on_host", lambda *_a: (HostOsds((2,), bucket="cmp1"), True))
        monkeypatch.setattr(computes, "boot_of", lambda _h, **_m: ("boot1", "6.1"))
        self.notes: dict[str, dict[str, Any]] = {}
        self.outcomes: dict[str, Any] = {}

    def state(self) -> Any:
        """What an operator sees."""
        servers = {
            k: (s["OS-EXT-SRV-ATTR:host"], s["OS-EXT-STS:vm_state"], s["OS-EXT-STS:task_state"])
            for k, s in self.nova.servers.items()
        }
        services = {h: (s["status"], s["disabled_reason"] or "") for h, s in self.nova.services.items()}
        return copy.deepcopy((servers, services, self.ceph.flags, self.ceph.keys))

    def context(self, step: Step) -> Context:
        return Context(JOB, step.id, self.outcomes, self.notes.setdefault(step.id, {}))

    def carry_out(self, step: Step, kill: str = "") -> None:
        """What the engine does with a step; `kill` ends it after the effect, before it is written down."""
        action, ctx = actions.find(step.verb), self.context(step)
        outcome = action.probe(ctx, step.args)
        if outcome is None:
            outcome = action.do(ctx, step.args)
        if kill:
            raise Killed
        action.verify(ctx, step.args, outcome)
        self.outcomes[step.id] = dict(outcome)

    def undo(self, steps: Sequence[Step]) -> None:
        for step in reversed(steps):
            actions.find(step.verb).undo(self.context(step), step.args, self.outcomes.get(step.id))


@pytest.fixture
def world(use: Callable[[Nova], Nova], monkeypatch: pytest.MonkeyPatch) -> World:
    return World(use, monkeypatch)


def _plan(world: World, parallel: int = 2) -> Plan:
    here = [parse_server(s) for s in world.nova.servers.values() if s["OS-EXT-SRV-ATTR:host"] == "cmp1"]
    found = site(*(replace(s, zone="nova") for s in here), osds=HostOsds((2,), bucket="cmp1"), ok_to_stop=True)
    survey = judge(found, Wishes(stop=frozenset({"rest"})), Allowed())
    assert survey.ready
    return compile_plan("lab", survey, Options(Reason.REBOOT, parallel), {"host": "cmp1", "max_unavailable": 1})


def _view(plan: Plan, world: World) -> dict[str, Any]:
    """A job that is done, as `jobs.views.show` tells it."""
    steps = [
        {
            "id": s.id,
            "verb": s.verb,
            "args": dict(s.args),
            "state": "done",
            "outcome": world.outcomes[s.id],
            "error": "",
        }
        for s in plan.steps
    ]
    return {"job": JOB, "state": "done", "params": dict(plan.params), "steps": steps}


def _entered(world: World) -> None:
    servers, services, flags, _keys = world.state()
    assert servers == {
        "run1": ("cmp2", "active", None),
        "run2": ("cmp2", "active", None),
        "off": ("cmp2", "stopped", None),
        "rest": ("cmp1", "stopped", None),
        "other": ("cmp2", "active", None),
    }
    assert services["cmp1"] == ("disabled", f"blue-wizard job={JOB} reason=reboot")
    assert flags == {"cmp1": ["noout"]}


def _steps() -> list[str]:
    return ["note", "cordon", "settle", "stop.rest", "start.run1", "start.run2", "move.run1", "move.run2", "cold.off",
            "empty", "quiet"]  # fmt: skip


def test_entered(world: World) -> None:
    plan = _plan(world)
    assert [s.id for s in plan.steps] == _steps()
    for step in plan.steps:
        world.carry_out(step)
    _entered(world)
    report = enter.report(_view(plan, world))
    assert report["safe"] is True
    assert {s["id"]: (s["verb"], s["destination"]) for s in report["servers"]} == {
        "run1": ("live", "cmp2"), "run2": ("live", "cmp2"), "off": ("cold", "cmp2"), "rest": ("stop", None),
    }  # fmt: skip


@pytest.mark.failure("b27")
@pytest.mark.parametrize("at", _steps())
def test_killed_after_the_effect_and_carried_on(world: World, at: str) -> None:
    for step in _plan(world).steps:
        if step.id == at:
            with pytest.raises(Killed):
                world.carry_out(step, kill="after")
        world.carry_out(step)
    _entered(world)
    # Each effect once: two live migrations, one cold one with its confirmation, one stop.
    asked = sorted(next(iter(c[2])) for c in world.nova.calls if c[0] == "POST")
    assert asked == ["confirmResize", "migrate", "os-migrateLive", "os-migrateLive", "os-stop"]


@pytest.mark.failure("b29")
@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("at", _steps())
def test_rolled_back_from_every_step(world: World, at: str, killed: bool) -> None:
    before = world.state()
    steps = _plan(world).steps
    begun = steps[: [s.id for s in steps].index(at) + 1]
    for step in begun[:-1]:
        world.carry_out(step)
    if killed:
        with pytest.raises(Killed):
            world.carry_out(begun[-1], kill="after")
    else:
        world.carry_out(begun[-1])
    world.undo(begun)
    assert world.state() == before
    # Undoing can be killed, too, and is then done again.
    calls = len(world.nova.calls)
    world.undo(begun)
    assert world.state() == before
    assert len(world.nova.calls) == calls


def _leave(world: World, plan: Plan, **wanted: Any) -> Plan:
    entered = entered_of(_view(plan, world), "svc-cmp1", "nova")
    back = [
        Returning(Assessment(parse_server(world.nova.servers[i]), verb, dest="cmp1"), "svc-cmp2")
        for i, verb in (("run1", Verb.LIVE), ("run2", Verb.LIVE), ("off", Verb.COLD))
    ]
    return plan_leave.compile_plan("lab", "cmp1", entered, back, (), Wanted(**wanted), {})


def test_entered_and_left_again(world: World) -> None:
    before = world.state()
    plan = _plan(world)
    for step in plan.steps:
        world.carry_out(step)
    leaving = _leave(world, plan, canary=("other", "other", "cmp2"))
    assert [s.id for s in leaving.steps] == [
        "back", "ready", "canary", "unquiet", "uncordon", "wake.rest", "start.run1", "move.run1", "start.run2",
        "move.run2", "cold.off",
    ]  # fmt: skip
    assert leaving.releases == plan.claims
    world.notes, world.outcomes = {}, {}
    for step in leaving.steps:
        world.carry_out(step)
    assert world.state() == before
    # The canary went to a host that was still closed: past the scheduler.
    forced = [c[2]["os-migrateLive"]["force"] for c in world.nova.calls if "os-migrateLive" in (c[2] or {})]
    assert forced == [False, False, True, False, False, False]


@pytest.mark.parametrize("steps", range(1, 12))
def test_leaving_rolled_back_from_every_step(world: World, steps: int) -> None:
    plan = _plan(world)
    for step in plan.steps:
        world.carry_out(step)
    leaving = _leave(world, plan, canary=("other", "other", "cmp2")).steps[:steps]
    before = _without_times(world.state())
    world.notes, world.outcomes = {}, {}
    for step in leaving:
        world.carry_out(step)
    world.undo(leaving)
    assert _without_times(world.state()) == before


def test_what_was_fenced_is_let_up_again_before_it_can_be_ready() -> None:
    steps = [
        {"id": "cordon", "verb": "nova.service.disable", "args": {}, "state": "done", "outcome": {"ours": True}},
        {"id": "fence", "verb": "nova.service.force-down", "args": {}, "state": "done", "outcome": {"ours": True}},
    ]
    entered = entered_of({"job": JOB, "params": {}, "steps": steps}, "svc-cmp1", "nova")
    plan = plan_leave.compile_plan("lab", "cmp1", entered, (), (), Wanted(rebooted=True), {})
    assert [s.id for s in plan.steps] == ["back", "unfence", "ready", "uncordon"]


def _without_times(state: Any) -> Any:
    servers, services, flags, keys = state
    return servers, services, flags, sorted(keys)


@pytest.mark.failure("b23")
def test_a_host_that_was_not_rebooted_is_not_given_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = _plan(world)
    for step in plan.steps:
        world.carry_out(step)
    back = _leave(world, plan, rebooted=True, wait_s=0.0).steps[0]
    with pytest.raises(Exception, match="has not been rebooted"):
        world.carry_out(back)
    monkeypatch.setattr(computes, "boot_of", lambda _h, **_m: ("boot2", "6.1"))
    world.carry_out(back)
