"""Where servers go, and why nowhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from blue_wizard.facts.servers import Server
from blue_wizard.maintain import promised
from blue_wizard.maintain.model import Assessment, Group, Site, Stock, Verb
from blue_wizard.maintain.placing import place

from .fakes import STOCKS, compute, server, site


def _place(found: Site) -> dict[str, Assessment]:
    return {a.server.id: a for a in place([Assessment(s, Verb.LIVE) for s in found.servers], found)}


def test_the_emptiest_host_is_taken_and_what_is_taken_counts() -> None:
    hosts = (compute("cmp1"), compute("cmp2"), compute("cmp3"))
    servers = [server(f"s{i}", ram=1000) for i in range(4)]
    placed = _place(site(*servers, computes=hosts))
    assert sorted(a.dest for a in placed.values()) == ["cmp2", "cmp2", "cmp3", "cmp3"]


@pytest.mark.failure("b16")
def test_the_largest_goes_first_and_the_one_that_does_not_fit_says_why() -> None:
    placed = _place(site(server("small", ram=512), server("large", ram=4000)))
    assert list(placed) == ["large", "small"]
    assert placed["large"].dest == "cmp2"
    assert placed["small"].verb is Verb.BLOCKED
    assert "cmp2: MEMORY_MB: 512 needed, 96 free" in placed["small"].why


@pytest.mark.failure("b16")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"enabled": False}, "disabled"),
        ({"up": False}, "down"),
        ({"forced_down": True}, "down"),
        ({"zone": "other"}, "zone other"),
        ({"version": 6000000}, "older"),
        ({"stocks": {k: v for k, v in STOCKS.items() if k != "DISK_GB"}}, "no DISK_GB"),
        ({"stocks": {**STOCKS, "MEMORY_MB": Stock(4096, max_unit=256)}}, "at most 256"),
        ({"stocks": {**STOCKS, "VCPU": Stock(2, used=2)}}, "VCPU: 1 needed, 0 free"),
        ({"stocks": {**STOCKS, "MEMORY_MB": Stock(4096, reserved=4000)}}, "96 free"),
    ],
)
def test_a_host_that_can_not_take_it(changes: dict[str, Any], words: str) -> None:
    placed = _place(site(server(), computes=(compute("cmp1"), compute("cmp2", **changes))))["s1"]
    assert placed.verb is Verb.BLOCKED
    assert words in placed.why
    assert placed.remedy


def _with(specs: dict[str, str]) -> Server:
    return server(extra_specs=specs)


def test_traits_and_aggregates() -> None:
    hosts = (
        compute("cmp1"),
        compute("cmp2", traits=frozenset({"HW_CPU_X86_AVX2"}), aggregates=({"ssd": "true"},)),
        compute("cmp3"),
    )
    fast = _with({"trait:HW_CPU_X86_AVX2": "required"})
    slow = _with({"trait:HW_CPU_X86_AVX2": "forbidden"})
    ssd = _with({"aggregate_instance_extra_specs:ssd": "true"})
    none = _with({"aggregate_instance_extra_specs:ssd": "false"})
    dests = [_place(site(s, computes=hosts))["s1"].dest for s in (fast, slow, ssd, none)]
    assert dests == ["cmp2", "cmp3", "cmp2", ""]


@pytest.mark.failure("b15")
def test_server_groups() -> None:
    hosts = (compute("cmp1"), compute("cmp2"), compute("cmp3"))
    pair = (server("a"), server("b"))

    def dests(policy: str, **others: str) -> list[str]:
        group = Group("g", policy, {"a": "cmp1", "b": "cmp1", **others})
        return [x.dest for x in _place(site(*pair, computes=hosts, groups=(group,))).values()]

    assert len(set(dests("anti-affinity"))) == 2
    assert dests("anti-affinity", c="cmp2") == ["cmp3", ""]
    assert len(set(dests("affinity"))) == 1
    assert dests("affinity", c="cmp3") == ["cmp3", "cmp3"]
    assert len(set(dests("soft-anti-affinity"))) == 2
    assert len(set(dests("soft-affinity"))) == 1
    # A soft policy gives way where there is but one host.
    alone = Group("g", "soft-anti-affinity", {"a": "cmp1", "b": "cmp1"})
    assert [x.dest for x in _place(site(*pair, groups=(alone,))).values()] == ["cmp2", "cmp2"]


def test_what_uses_parts_of_a_provider_is_left_to_nova() -> None:
    found = site(server(), needs={"s1": {"rp-cmp1": {"VCPU": 1}, "rp-card": {"NET_BW_EGR_KILOBIT_PER_SEC": 1000}}})
    placed = _place(found)["s1"]
    assert (placed.verb, placed.dest) == (Verb.LIVE, "")
    assert placed.why


@pytest.mark.parametrize(("used", "dest"), [(0, "cmp2"), (32, "cmp2"), (60, "cmp2"), (512, "cmp3")])
def test_a_small_server_that_comes_elsewhere_changes_no_plan(used: int, dest: str) -> None:
    cmp2 = compute("cmp2", stocks={**STOCKS, "MEMORY_MB": Stock(4096, used=used)})
    hosts = (compute("cmp1"), cmp2, compute("cmp3"))
    assert _place(site(server(), computes=hosts))["s1"].dest == dest


def test_hosts_to_avoid_are_taken_where_there_is_no_other() -> None:
    hosts = (compute("cmp1"), compute("cmp2"), compute("cmp3", stocks={**STOCKS, "MEMORY_MB": Stock(4096, used=3000)}))
    found = site(server("s1", ram=1000), server("s2", ram=1000), computes=hosts)
    placed = place([Assessment(s, Verb.LIVE) for s in found.servers], found, {"cmp2"})
    assert [a.dest for a in placed] == ["cmp3", "cmp2"]


def test_what_others_are_moving_is_taken_and_counts_for_groups() -> None:
    small = Stock(2048)
    hosts = (compute("cmp1"), compute("cmp2"), compute("cmp3", stocks={**STOCKS, "MEMORY_MB": small}))
    found = site(server("s1"), computes=hosts)
    plain = [Assessment(found.servers[0], Verb.LIVE)]
    assert place(plain, found)[0].dest == "cmp2"
    full = replace(found, promised={"x": ("cmp2", {"MEMORY_MB": 4000})})
    assert place(plain, full)[0].dest == "cmp3"
    apart = Group("g", "anti-affinity", {"s1": "cmp1", "x": "cmp4"})
    beside = replace(found, groups=(apart,), promised={"x": ("cmp2", {})})
    assert place(plain, beside)[0].dest == "cmp3"


def test_promises_are_read_from_the_notes_of_a_part() -> None:
    steps = [
        {"verb": "nova.server.live-migrate", "args": {"server": "s1", "dest": "cmp2"}},
        {"verb": "nova.server.moved", "args": {"server": "s1", "dest": "cmp2"}},
        {"verb": "nova.server.cold-migrate", "args": {"server": "s2", "dest": ""}},
    ]
    assert promised.moves({"plan": {"steps": steps}, "done": {}}) == {"s1": "cmp2"}
    assert promised.moves({"plan": {"steps": steps}, "done": {"move.s1": {}}}) == {}
    assert promised.moves({}) == {}


def test_a_host_that_is_emptied_beside_is_no_destination() -> None:
    hosts = (compute("cmp1"), compute("cmp2"), compute("cmp3"))
    found = site(server("s1"), computes=hosts, closed=frozenset({"cmp2"}))
    assert _place(found)["s1"].dest == "cmp3"
    alone = site(server("s1"), closed=frozenset({"cmp2"}))
    assert "emptied" in _place(alone)["s1"].why


@pytest.mark.failure("b15")
def test_the_first_of_an_affinity_group_goes_past_the_scheduler() -> None:
    pair = Group("g", "affinity", {"s1": "cmp1", "s2": "cmp1"})
    found = _place(site(server("s1", ram=1024), server("s2"), groups=(pair,)))
    assert [(found[s].dest, found[s].unscheduled) for s in ("s1", "s2")] == [("cmp2", True), ("cmp2", False)]
    off = site(server("s1", vm_state="stopped"), server("s2", vm_state="stopped"), groups=(pair,))
    cold = {a.server.id: a for a in place([Assessment(s, Verb.COLD) for s in off.servers], off)}
    assert cold["s1"].verb is Verb.BLOCKED
    assert "affinity group" in cold["s1"].why
