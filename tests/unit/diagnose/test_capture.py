"""What a capture concludes from what its hosts say. Their words are scripted: hosts that starve can't be had on demand."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from blue_wizard.diagnose import agent, capture
from blue_wizard.diagnose.agents import Ended
from blue_wizard.diagnose.capture import Capture, Point, Problem, Seen
from blue_wizard.facts import dhcp
from tests.unit.facts.wrapping import in_vxlan

MAC, XID = "fa:16:3e:f2:38:8d", 0xB1000001
TAP, NIC, PORT = (
    Point("tap", "cmp1", "tap0"),
    Point("compute-nic", "cmp1", "eth0", tunnel=True),
    Point("dhcp-port", "net1", "tap1", "qdhcp-1"),
)
DISCOVER = dhcp.discover(MAC, XID)
OFFER = dhcp.offer(MAC, XID, server_mac="fa:16:3e:00:00:01", server="10.0.0.2", address="10.0.0.5")


class Script:
    """Stands for `Agents`, and for the clock: waiting takes no time.

    `lags`: what the hosts measure from mark to mark, in seconds (the last one stays); `frames`: when which point sees what;
    `states`: what hosts say of their points other than that all is well; `over`: hosts whose program has ended.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.lags = [0.0]
        self.frames: list[tuple[float, str, int, bytes]] = []
        self.states: dict[tuple[str, int], dict[str, Any]] = {}
        self.over: dict[str, Ended] = {}
        self.deaf: set[str] = set()

    def __call__(self, role: str, orders: Mapping[str, Any], *, on_word: Callable[..., bool], **_more: Any) -> Script:
        self.orders, self._on_word = orders, on_word
        return self

    def __enter__(self) -> Script:
        return self

    def __exit__(self, *_error: object) -> None: ...

    def monotonic(self) -> float:
        return self.now

    def wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        end = self.now + timeout_s
        while self.frames and self.frames[0][0] <= end and not condition():
            at, host, number, frame = self.frames.pop(0)
            self.now = max(self.now, at)
            self._on_word(host, {"point": number, "data": base64.b64encode(frame).decode(), "vlan": None, "out": False})
        if not condition():
            self.now = end
        return condition()

    def ask(self, order: Mapping[str, Any] | None, key: str, hosts: Iterable[str], timeout_s: float) -> dict[str, Any]:
        lag = self.lags.pop(0) if len(self.lags) > 1 else self.lags[0]
        answers = {}
        for host in hosts:
            if host in self.over or host in self.deaf:
                continue
            fine = {"problem": "", "detail": "", "drops": 0}
            points = [{**fine, **self.states.get((host, i), {})} for i in range(len(self.orders[host]["points"]))]
            answers[host] = {"ready": points, "mark": 1, "points": points, "lag_s": lag}
        return answers

    def ended(self, host: str) -> Ended | None:
        return self.over.get(host)

    def sentence(self, host: str, _waited_s: float) -> str:
        return f"{host} says nothing"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    made = Script()
    monkeypatch.setattr(capture, "Agents", made)
    monkeypatch.setattr(capture, "time", made)
    return made


def collect(settle_s: float = 2.0, xid: int | None = XID) -> list[Seen]:
    with Capture([TAP, NIC, PORT], MAC) as c:
        c.ready()
        return c.collect(xid, settle_s)


def short(seen: list[Seen]) -> list[tuple[bool, int, int]]:
    return [(s.live, s.requests, s.replies) for s in seen]


def at_all(at: float, frame: bytes) -> list[tuple[float, str, int, bytes]]:
    return [(at, "cmp1", 0, frame), (at, "cmp1", 1, frame), (at, "net1", 0, frame)]


def test_it_ends_as_soon_as_all_is_seen(script: Script) -> None:
    script.frames = at_all(0.1, DISCOVER) + at_all(0.2, OFFER)
    assert short(collect()) == [(True, 1, 1)] * 3
    assert script.now == 0.4


def test_nothing_seen_on_a_quiet_host_is_missing(script: Script) -> None:
    assert short(collect()) == [(True, 0, 0)] * 3
    assert script.now == 2.0


def test_on_a_busy_host_it_waits_for_late_packets(script: Script) -> None:
    script.lags = [0.0, 0.8]
    script.frames = at_all(5.0, DISCOVER) + at_all(6.0, OFFER)
    assert short(collect()) == [(True, 1, 1)] * 3
    assert script.now == 6.2


def test_when_the_load_goes_on_the_longer_wait_counts(script: Script) -> None:
    script.lags = [0.0, 0.8, 0.8]
    assert short(collect()) == [(True, 0, 0)] * 3
    assert script.now == 8.0


def test_a_host_that_is_busier_than_that_makes_not_seen_unknown_everywhere(script: Script) -> None:
    script.lags = [3.0]
    script.frames = [(0.5, "cmp1", 0, DISCOVER), (0.6, "cmp1", 0, OFFER), (0.7, "cmp1", 1, DISCOVER)]
    seen = collect()
    assert short(seen) == [(True, 1, 1), (False, 1, 0), (False, 0, 0)]
    assert [s.problem for s in seen] == [None, Problem.BUSY, Problem.BUSY]
    assert "3.0" in seen[2].error


def test_a_load_that_has_passed_is_no_excuse(script: Script) -> None:
    script.lags = [0.0, 3.0, 0.0]
    assert short(collect()) == [(True, 0, 0)] * 3
    assert script.now == 15.0


def test_a_host_that_stopped_answering_is_unknown_and_what_it_saw_before_is_kept(script: Script) -> None:
    script.frames = [(0.1, "net1", 0, DISCOVER)]
    script.deaf = {"net1"}
    seen = collect()
    assert short(seen) == [(True, 0, 0), (True, 0, 0), (False, 1, 0)]
    assert (seen[2].problem, seen[2].error) == (Problem.LOST, "net1 says nothing")


@pytest.mark.parametrize(
    ("ended", "problem"),
    [
        (Ended(None, "refused"), Problem.HOST),
        (Ended(agent.NO_PYTHON, ""), Problem.PYTHON),
        (Ended(1, "sudo: a password is required", refused=True), Problem.PRIVILEGE),
        (Ended(1, "MemoryError"), Problem.LOST),
        (Ended(-1, ""), Problem.LOST),
    ],
)
def test_why_a_host_has_no_answer(script: Script, ended: Ended, problem: Problem) -> None:
    script.over = {"net1": ended}
    with Capture([TAP, PORT], MAC) as c:
        assert c.ready() == {PORT: problem}
        assert short(c.collect(settle_s=0)) == [(True, 0, 0), (False, 0, 0)]


@pytest.mark.parametrize(
    "problem", [p for p in Problem if p not in (Problem.HOST, Problem.PYTHON, Problem.LOST, Problem.BUSY)]
)
def test_no_problem_of_a_point_leaves_it_live_and_each_is_explained(script: Script, problem: Problem) -> None:
    script.states = {("cmp1", 1): {"problem": str(problem), "detail": "why", "drops": 3}}
    seen = collect(0)
    assert [s.live for s in seen] == [True, False, True]
    assert (seen[1].problem, seen[1].kernel_drops) == (problem, 3)
    assert len(seen[1].error) > len("why")
    assert "cmp1" in seen[1].error


def test_a_point_that_can_not_be_watched_is_not_waited_for(script: Script) -> None:
    script.states = {("net1", 0): {"problem": "device"}}
    script.frames = [
        (0.1, "cmp1", 0, DISCOVER),
        (0.1, "cmp1", 1, DISCOVER),
        (0.2, "cmp1", 0, OFFER),
        (0.2, "cmp1", 1, OFFER),
    ]
    assert short(collect(60)) == [(True, 1, 1), (True, 1, 1), (False, 0, 0)]
    assert script.now == 0.4


def test_replies_alone_may_be_what_is_waited_for(script: Script) -> None:
    script.frames = at_all(0.2, OFFER)
    with Capture([TAP, NIC, PORT], MAC) as c:
        assert short(c.collect(XID, 60, replies_only=True)) == [(True, 0, 1)] * 3
    assert script.now == 0.4


def test_a_second_answer_may_be_later_than_the_first(script: Script) -> None:
    rogue = dhcp.offer(MAC, XID, server_mac="02:00:00:00:00:66", server="10.0.0.66", address="10.0.0.7")
    script.frames = at_all(0.1, DISCOVER) + at_all(0.2, OFFER) + at_all(0.3, rogue)
    assert [len(s.offers) for s in collect()] == [2, 2, 2]


def test_two_servers_are_told_apart(script: Script) -> None:
    rogue = dhcp.offer(MAC, XID, server_mac="02:00:00:00:00:66", server="10.0.0.66", address="10.0.0.7")
    script.frames = [(0.1, "cmp1", 0, OFFER), (0.2, "cmp1", 0, rogue), (0.3, "cmp1", 0, rogue)]
    (tap, *_others) = collect()
    assert [(o.server, o.address, o.source) for o in tap.offers] == [
        ("10.0.0.2", "10.0.0.5", "fa:16:3e:00:00:01"),
        ("10.0.0.66", "10.0.0.7", "02:00:00:00:00:66"),
    ]
    assert tap.replies == 3


def test_the_hosts_prove_each_kind_of_filter_on_both_sides(script: Script) -> None:
    collect(0)
    for host, kinds in (("cmp1", 2), ("net1", 1)):
        samples = script.orders[host]["samples"]
        assert len({str(program) for program, _frame, _passes in samples}) == kinds
        assert {passes for _program, _frame, passes in samples} == {True, False}


def test_a_copy_to_another_host_is_not_on_the_way(script: Script) -> None:
    """A broadcast is flooded to every host of its network: that one got it says nothing of the others."""
    here, there, elsewhere = b"\x0a\0\0\1", b"\x0a\0\0\2", b"\x0a\0\0\3"

    def wrapped(frame: bytes, source: bytes, to: bytes) -> bytes:
        return in_vxlan(frame, 7).replace(b"\x0a" * 4 + b"\x0b" * 4, source + to)

    near = Point("compute-nic", "cmp1", "eth0", tunnel=True, ends=("10.0.0.1", "10.0.0.2"))

    def seen(*frames: bytes) -> Seen:
        script.frames = [(0.1, "cmp1", 0, f) for f in frames]
        script.now = 0.0
        with Capture([near], MAC) as c:
            c.ready()
            return c.collect(XID)[0]

    lost = seen(wrapped(DISCOVER, here, elsewhere), wrapped(OFFER, elsewhere, elsewhere))
    assert (lost.live, lost.requests, lost.replies) == (True, 0, 0)
    # An answer is told all the same: who gives it may be a stranger.
    assert [o.server for o in lost.offers] == ["10.0.0.2"]
    sent = seen(wrapped(DISCOVER, here, elsewhere), wrapped(DISCOVER, here, there), wrapped(OFFER, there, here))
    assert (sent.requests, sent.replies) == (1, 1)
    plain = seen(DISCOVER, OFFER)
    assert (plain.requests, plain.replies) == (1, 1)
