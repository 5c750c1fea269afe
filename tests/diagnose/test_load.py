"""Under load a hop may be unknown. It must never be said that it saw nothing when the packet passed."""

from __future__ import annotations

import os
import signal
import time

import pytest

from blue_wizard.diagnose import capture as capture_module
from blue_wizard.diagnose.agents import Agents
from blue_wizard.diagnose.capture import Capture, Point, Problem
from blue_wizard.facts import dhcp
from tests.busy import busy
from tests.diagnose.conftest import GUEST, MAC, NETWORK, Lan, hybrid, programs

POINTS = [Point(hop, host, device, netns, tunnel) for hop, host, device, netns, tunnel in hybrid()]


@pytest.mark.slow
def test_four_busy_loops_make_no_hop_blind(hosts: Lan) -> None:
    with busy():
        for number in range(5):
            xid = 0xB1000201 + number
            with Capture(POINTS, MAC) as capture:
                assert capture.ready() == {}
                hosts.send(GUEST, "eth0", dhcp.discover(MAC, xid))
                seen = capture.collect(xid)
            wrong = [s for s in seen if s.live and not (s.requests and s.replies)]
            assert wrong == []


def test_a_program_that_is_starved_makes_its_hops_unknown(hosts: Lan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_module, "_ANSWER_S", 1.0)
    with Capture(POINTS, MAC) as capture:
        assert capture.ready(20) == {}
        (starved,) = programs(NETWORK)
        os.kill(starved, signal.SIGSTOP)
        try:
            hosts.send(GUEST, "eth0", dhcp.discover(MAC, 0xB1000301))
            seen = capture.collect(0xB1000301, settle_s=0.5)
        finally:
            os.kill(starved, signal.SIGCONT)
        assert [(s.live, s.requests) for s in seen] == [(True, 1)] * 5 + [(False, 0)] * 2
        assert {s.problem for s in seen[5:]} == {Problem.LOST}
        # What came meanwhile waited in the sockets.
        late = capture.collect(0xB1000301, settle_s=20)
    assert [(s.live, s.requests, s.replies) for s in late] == [(True, 1, 1)] * 7


def test_a_program_says_how_late_it_was_woken(hosts: Lan) -> None:
    with Agents("listen", {NETWORK: {"points": [], "samples": []}}, deadline_s=60) as agents:
        assert agents.ask(None, "ready", [NETWORK], 20)
        (starved,) = programs(NETWORK)
        os.kill(starved, signal.SIGSTOP)
        time.sleep(0.5)
        os.kill(starved, signal.SIGCONT)
        late = agents.ask({"mark": 1}, "mark", [NETWORK], 20)[NETWORK]["lag_s"]
    assert late > 0.4
