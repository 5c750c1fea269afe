"""What stands in the way of emptying a host, and the plan when nothing does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from blue_wizard.errors import InputError, Refused
from blue_wizard.facts.osds import HostOsds
from blue_wizard.facts.servers import Migration
from blue_wizard.jobs.model import Plan, Step
from blue_wizard.maintain import mark
from blue_wizard.maintain.enter import as_data
from blue_wizard.maintain.invariant import judge as judge_invariant
from blue_wizard.maintain.model import Agent, Reason, Site, Wishes
from blue_wizard.maintain.names import find, servers_named
from blue_wizard.maintain.plan_enter import Options, compile_plan, interleaved
from blue_wizard.maintain.status import state_of
from blue_wizard.maintain.survey import Allowed, Survey, judge, refuse

from .fakes import compute, server, service, site

OURS = mark.reason_text("h-bbbbbb", Reason.REBOOT)


def _judge(found: Site, allowed: Allowed | None = None, wishes: Wishes | None = None) -> Survey:
    return judge(found, wishes or Wishes(), allowed or Allowed())


def _site(*servers: Any, **values: Any) -> Site:
    return site(*(servers or (server(),)), **values)


DISABLED = service("cmp1", enabled=False, reason="ticket 4711")
LONELY = {"agents": (Agent("a", "neutron-l3-agent", True, ("r1", "r2"), ("r1",)),)}


@pytest.mark.failure("b25", "b26", "b31")
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"service": DISABLED}, "ticket 4711"),
        ({"service": replace(DISABLED, reason=OURS)}, "job h-bbbbbb has it in maintenance"),
        ({"service": service("cmp1", up=False)}, "it is dead"),
        ({"computes": (compute("cmp1"),)}, "the last one"),
        ({"computes": (compute("cmp1"), compute("cmp2", enabled=False))}, "the last one"),
        ({"computes": (compute("cmp1"), compute("cmp2", up=False))}, "the last one"),
        ({"moving": (Migration(1, "x", "cmp2", "cmp1", "running", "live-migration"),)}, "wait until it has ended"),
        ({"domains": {"s1": "one", "stranger": "byhand"}}, "Nova does not know of it"),
        ({"domains": {}}, "no guest for name-s1"),
        ({"domains": None, "unasked": {"libvirt": "no route to host"}}, "no route to host"),
        ({"osds": HostOsds((1, 2), bucket="cmp1"), "ok_to_stop": False}, "enough copies"),
        ({"osds": HostOsds((1, 2)), "ok_to_stop": True}, "no CRUSH bucket"),
        (LONELY, "only it serves r1"),
    ],
)
def test_what_stands_in_the_way(values: dict[str, Any], words: str) -> None:
    found = _judge(_site(**values))
    assert not found.ready
    with pytest.raises(Refused) as e:
        refuse(found.findings)
    assert words in e.value.message


def test_a_dead_host_is_evacuated_only_when_asked_for_and_without_a_sign_of_life() -> None:
    dead = {"service": service("cmp1", up=False), "domains": None, "alive": False}
    assert not _judge(_site(**dead)).ready
    assert not _judge(_site(**{**dead, "alive": True}), Allowed(evacuate=True)).ready
    found = _judge(_site(server("s1", image="i"), server("s2", vm_state="stopped"), **dead), Allowed(evacuate=True))
    assert found.ready
    plan = _plan(found)
    assert [s.id for s in plan.steps] == ["cordon", "fence", "evac.s1", "evac.s2", "gone"]
    by = {s.id: s for s in plan.steps}
    assert by["fence"].gate is not None
    assert by["fence"].gate.text
    assert "1 GiB" in by["evac.s1"].irreversible
    assert "GiB" not in by["evac.s2"].irreversible


def test_a_server_that_can_not_move_is_told_with_its_way_out() -> None:
    found = _judge(_site(server("s1"), server("s2", vm_state="suspended")))
    with pytest.raises(Refused, match=r"name-s2.*SUSPENDED.*openstack server resume s2.*--leave s2"):
        refuse(found.findings)


def test_what_the_operator_lets_pass() -> None:
    assert _judge(_site(service=DISABLED), Allowed(disabled=True)).ready
    assert _judge(_site(**LONELY), Allowed(network_loss=True)).ready
    # Our own mark is no foreign reason: that job has to give the host back.
    assert not _judge(_site(service=replace(DISABLED, reason=OURS)), Allowed(disabled=True)).ready
    assert _judge(_site(server("s1", vm_state="rescued")), wishes=Wishes(leave=frozenset({"s1"}))).ready


def test_nothing_in_the_way() -> None:
    found = _judge(_site(osds=HostOsds((2,), bucket="cmp1"), ok_to_stop=True))
    assert found.ready
    refuse(found.findings)
    data = as_data(found)
    assert data["servers"][0]["destination"] == "cmp2"
    assert (data["osds"], data["osds_may_stop"]) == ([2], True)


def _plan(found: Survey, **options: Any) -> Plan:
    return compile_plan("lab", found, Options(Reason.REBOOT, **options), {"host": "cmp1"})


def test_the_plan_of_a_host_with_all_kinds_of_servers() -> None:
    servers = (
        server("live1"),
        server("live2"),
        server("off", vm_state="stopped"),
        server("stop"),
        server("stay", vm_state="suspended"),
    )
    wishes = Wishes(stop=frozenset({"stop"}), leave=frozenset({"stay"}))
    found = _judge(_site(*servers, osds=HostOsds((2,), bucket="cmp1"), ok_to_stop=True), wishes=wishes)
    plan = _plan(found)
    assert [s.id for s in plan.steps] == [
        "note", "cordon", "settle", "stop.stop", "start.live1", "move.live1", "start.live2", "move.live2", "cold.off",
        "empty", "quiet",
    ]  # fmt: skip
    by = {s.id: s for s in plan.steps}
    assert by["settle"].args["servers"] == sorted(s.id for s in servers)
    assert by["empty"].args["staying"] == ["stay", "stop"]
    assert by["quiet"].args["bucket"] == "cmp1"
    assert {x for s in plan.steps for x in s.locks} == {
        "host:lab/cmp1", *(f"server:lab/{x}" for x in ("live1", "live2", "off", "stop")),
    }  # fmt: skip
    (claim,) = plan.claims
    assert (claim.member, claim.keep) == ("host:lab/cmp1", True)
    assert Plan.from_json(plan.as_json()).digest == plan.digest == _plan(found).digest


def test_a_host_without_osds_gets_no_flag() -> None:
    assert "quiet" not in {s.id for s in _plan(_judge(_site())).steps}


def test_a_foreign_reason_stands_in_the_plan() -> None:
    found = _judge(_site(service=DISABLED), Allowed(disabled=True))
    cordon = next(s for s in _plan(found).steps if s.id == "cordon")
    assert cordon.args["foreign"] == "ticket 4711"


@pytest.mark.parametrize(
    ("parallel", "order"),
    [(1, "b1 e1 b2 e2 b3 e3"), (2, "b1 b2 e1 b3 e2 e3"), (3, "b1 b2 b3 e1 e2 e3"), (9, "b1 b2 b3 e1 e2 e3")],
)
def test_never_more_on_the_way_than_asked_for(parallel: int, order: str) -> None:
    pairs = [(Step(f"b{i}", "v", {}, ""), Step(f"e{i}", "v", {}, "")) for i in (1, 2, 3)]
    assert " ".join(s.id for s in interleaved(pairs, parallel)) == order


@pytest.mark.failure("b33")
def test_names_are_exact() -> None:
    listed = [service("compute1"), service("compute10")]
    assert find("compute1", listed).host == "compute1"
    with pytest.raises(InputError) as e:
        find("compute", listed)
    assert "compute1, compute10" in e.value.hint
    with pytest.raises(InputError):
        find("compute100", listed)


@pytest.mark.failure("b33")
def test_servers_by_name_or_id() -> None:
    here = [server("s1", name="web"), server("s2", name="web"), server("s3", name="db")]
    assert servers_named(["db", "s1"], here) == {"s1", "s3"}
    with pytest.raises(InputError, match="2 servers"):
        servers_named(["web"], here)
    with pytest.raises(InputError, match="No server cache"):
        servers_named(["cache"], here)


def test_the_mark_tells_ours_from_theirs() -> None:
    assert mark.job_of(OURS) == "h-bbbbbb"
    assert mark.job_of("please ask blue-wizard job=h-bbbbbb reason=reboot") == ""
    assert mark.job_of("") == ""


@pytest.mark.parametrize(
    ("values", "claimed", "holder", "state"),
    [
        ({}, "", "", ("in-service", "")),
        ({"up": False}, "", "", ("down", "")),
        ({"enabled": False, "reason": "x"}, "", "", ("disabled", "")),
        ({"enabled": False, "reason": "x"}, "h-c", "", ("maintenance", "h-c")),
        ({"enabled": False, "reason": OURS}, "", "", ("maintenance", "h-bbbbbb")),
        ({"enabled": False, "reason": OURS}, "", "h-d", ("at-work", "h-d")),
    ],
)
def test_state_of_a_host(values: dict[str, Any], claimed: str, holder: str, state: tuple[str, str]) -> None:
    assert state_of(service("cmp1", **values), claimed, holder) == state


def test_the_invariant() -> None:
    assert judge_invariant("cmp1", True, {"web": "active"}, {"cordon"}) == ""
    assert "enabled" in judge_invariant("cmp1", True, {}, {"cordon", "settle"})
    assert "web" in judge_invariant("cmp1", False, {"web": "error", "db": "active"}, {"settle"})
