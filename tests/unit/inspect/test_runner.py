"""Checks on facts: what is missing makes unknown, what passes by is not told, what explains what, and the score."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from blue_wizard.facts.machine import Memory
from blue_wizard.inspect import collect
from blue_wizard.inspect.facts import Everywhere, Facts, Missing, Reached, same_host
from blue_wizard.inspect.model import Check, Finding, Now, Profile, Severity, found
from blue_wizard.inspect.runner import Status, judge, run
from blue_wizard.inspect.score import coverage, score
from blue_wizard.inspect.suppress import explained
from blue_wizard.text import N_

collect.register()


@dataclass(frozen=True)
class Things:
    """A fact of the platform."""

    names: tuple[str, ...] = ()


def _all(things: Things) -> Iterable[Finding]:
    for name in things.names:
        yield found(name, N_("critical"))


def _low(memory: Memory) -> Iterable[Finding]:
    if memory.available < 10:
        yield found("memory", N_("critical"))


def _count(memories: Everywhere[Memory]) -> Iterable[Finding]:
    yield found(str(len(memories.at)), N_("critical"))


def _check(look: Any, *needs: Any, id_: str = "toy.one", reread: bool = False, under: tuple[str, ...] = ()) -> Check:
    return Check(id_, "t", Severity.WARNING, "r", look, needs, Profile.QUICK, under, reread)


def _facts(things: object = None, **hosts: object) -> Facts:
    made = Facts(Now(0.0))
    if things is not None:
        made.whole[Things] = things
    made.hosts = {name: {Memory: fact} for name, fact in hosts.items()}
    return made


def test_a_fact_that_is_missing_makes_its_checks_unknown() -> None:
    (outcome,) = judge([_check(_all, Things)], _facts(Missing("no answer")))
    assert (outcome.status, outcome.unknown, outcome.known) == (Status.UNKNOWN, ("no answer",), 0.0)
    (outcome,) = judge([_check(_all, Things)], _facts())
    assert outcome.status is Status.UNKNOWN, "what was never read is not well either"


def test_a_check_that_breaks_is_unknown() -> None:
    def breaks(things: Things) -> Iterable[Finding]:
        yield found("first", N_("critical"))
        raise KeyError(things)

    (outcome,) = judge([_check(breaks, Things)], _facts(Things()))
    assert (outcome.status, outcome.findings) == (Status.UNKNOWN, ())
    assert "KeyError" in outcome.unknown[0]


def test_each_host_is_judged_by_itself() -> None:
    facts = _facts(a=Memory(100, 5), b=Memory(100, 50), c=Missing("dead"), d=None)
    (outcome,) = judge([_check(_low, Memory)], facts)
    assert [(f.object, f.host) for f in outcome.findings] == [("memory", "a")]
    assert outcome.status is Status.FAIL
    assert outcome.unknown == ("c: dead",)
    assert outcome.known == pytest.approx(2 / 3)
    (outcome,) = judge([_check(_low, Memory)], _facts(b=Memory(100, 50), c=Missing("dead")))
    assert outcome.status is Status.UNKNOWN, "one that could not be asked keeps the check from passing"


def test_a_check_of_all_hosts_knows_which_are_missing() -> None:
    (outcome,) = judge([_check(_count, Everywhere[Memory])], _facts(a=Memory(1, 1), b=Missing("dead"), c=None))
    assert [f.object for f in outcome.findings] == ["1"]
    assert (outcome.unknown, outcome.known) == (("b: dead",), 0.5)
    (outcome,) = judge([_check(_count, Everywhere[Memory])], _facts())
    assert outcome.status is Status.UNKNOWN


def test_a_check_that_applies_nowhere_is_skipped() -> None:
    (outcome,) = judge([_check(_low, Memory)], _facts(a=None))
    assert outcome.status is Status.SKIPPED


def _run(check: Check, *answers: object) -> tuple[Status, list[str], list[float]]:
    given, slept = list(answers), []

    def read(_kinds: Collection[Any], _until: float) -> Facts:
        return _facts(given.pop(0))

    (outcome,) = run([check], read, deadline_s=900, settle_s=3, sleep=slept.append).outcomes
    assert not given
    return outcome.status, [f.object for f in outcome.findings], slept


def test_what_passes_by_is_not_told() -> None:
    twice = _check(_all, Things, reread=True)
    assert _run(twice, Things(("a", "b")), Things(("b", "c"))) == (Status.FAIL, ["b"], [3])
    assert _run(twice, Things(("a",)), Things()) == (Status.PASS, [], [3])
    assert _run(twice, Things(("a",)), Missing("late")) == (Status.UNKNOWN, [], [3])
    assert _run(twice, Things()) == (Status.PASS, [], []), "nothing is read twice where nothing was found"
    assert _run(_check(_all, Things), Things(("a",))) == (Status.FAIL, ["a"], [])


def test_what_explains_what() -> None:
    dead = _check(_all, id_="host.dead")
    agent = _check(_all, id_="agent.dead", under=("host.dead",))
    port = _check(_all, id_="port.down", under=("agent.dead",))
    ceph = _check(_all, id_="ceph.down")
    guest = _check(_all, id_="guest.paused", under=("ceph.down",))
    rows = [
        (dead, found("cmp1", "x", host="cmp1")),
        (agent, found("agent", "x", host="cmp1.example")),
        (agent, found("agent", "x", host="cmp2")),
        (port, found("p1", "x", host="cmp1.example")),
        (port, found("p3", "x", host="cmp3")),
        (ceph, found("quorum", "x")),
        (guest, found("g", "x", host="cmp9")),
    ]
    assert explained(rows) == {
        ("agent.dead", "agent", "cmp1.example"): "host.dead",
        ("port.down", "p1", "cmp1.example"): "host.dead",
        ("guest.paused", "g", "cmp9"): "ceph.down",
    }


def test_checks_that_explain_each_other_do_not_go_round_for_ever() -> None:
    a, b = _check(_all, id_="a.a", under=("b.b",)), _check(_all, id_="b.b", under=("a.a",))
    assert set(explained([(a, found("x", "t")), (b, found("x", "t"))])) == {("a.a", "x", ""), ("b.b", "x", "")}


def test_names_of_one_host() -> None:
    assert same_host("cmp1", "CMP1.example.org")
    assert not same_host("cmp1", "cmp10")
    assert not same_host("", "cmp1")
    facts = Everywhere({"cmp1": 1})
    assert (facts.of("cmp1.example"), facts.of("CMP1"), facts.of("cmp2")) == (1, 1, None)
    facts = Everywhere({"a.x": 1, "a.y": 2, "b.x": 3})
    assert (facts.of("a.x"), facts.of("b"), facts.of("a"), facts.of("b.y")) == (1, 3, None, None)


def test_score() -> None:
    warning, critical, info = Severity.WARNING, Severity.CRITICAL, Severity.INFO
    assert score({}) == 100
    assert score({("a.x", info): 1000}) == 100
    assert score({("a.x", warning): 1}) == 99
    assert score({("a.x", warning): 10**9}) == 97, "one fault with many witnesses is one fault"
    assert score({(f"a.{i}", warning): 1 for i in range(50)}) == 94, "one family is capped"
    assert score({("a.x", critical): 1}) == 80
    assert score({(f"f{i}.x", critical): 1 for i in range(9)}) == 0


def test_coverage() -> None:
    assert coverage([1, 1, 0, 0.5]) == 62.5
    assert coverage([]) == 0.0


def test_the_missing_lists_of_hosts_are_told() -> None:
    def gone(reached: Reached) -> Iterable[Finding]:
        yield from (found(h, N_("critical")) for h, lost in reached.hosts.items() if lost)

    facts = Facts(Now(0.0), {Reached: Reached({"a": None, "b": ("unreachable", "no route")}, {"c": "late"})})
    (outcome,) = judge([_check(gone, Reached)], facts)
    assert [f.object for f in outcome.findings] == ["b"]
    assert (outcome.unknown, outcome.known) == (("c: late",), pytest.approx(2 / 3))


def test_secrets_in_what_was_read_become_stars() -> None:
    made = found("x", "{error}", evidence=["ps: x --url rabbit://nova:hunter22@ctl1/"], error="amqp://a:hunter22@b")
    assert "hunter22" not in f"{made.message} {made.evidence}"
