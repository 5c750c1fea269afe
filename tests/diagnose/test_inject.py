"""Injection on real devices: the request passes every hop, the guest does not see it, nothing is left, whatever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from blue_wizard.diagnose.agents import Agents
from blue_wizard.diagnose.capture import Capture, Point
from blue_wizard.diagnose.inject import Injection, inject_request
from blue_wizard.diagnose.janitor import Cleaned, clean
from blue_wizard.errors import StepFailed
from blue_wizard.facts import dhcp
from tests.diagnose import wire
from tests.diagnose.conftest import COMPUTE, GUEST, MAC, NETWORK, OTHER_MAC, Lan, hybrid, programs, sh

POINTS = [Point(hop, host, device, netns, tunnel) for hop, host, device, netns, tunnel in hybrid()]


def dumps(lan: Lan) -> dict[str, str]:
    return {h: lan.dump(h) for h in (COMPUTE, NETWORK)}


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def test_a_request_passes_all_hops_and_the_guest_sees_the_offer_alone(hosts: Lan) -> None:
    before = dumps(hosts)
    # The other end of the tap, which no host sees in real life.
    guest = Point("guest", COMPUTE, "eth0", netns=GUEST)
    with Capture([guest, *POINTS], MAC) as capture:
        assert capture.ready() == {}
        done = inject_request(COMPUTE, "tapbwt", MAC, 0xB1000101)
        capture.collect(0xB1000101, settle_s=20, replies_only=True)
        seen = capture.collect(0xB1000101, settle_s=0)
    assert [(s.point.hop, s.live, s.requests, s.replies) for s in seen] == [
        ("guest", True, 0, 1),
        *((p.hop, True, 1, 1) for p in POINTS),
    ]
    assert (done.host, done.method, done.device) == (COMPUTE, "redirect", "tapbwt")
    until(lambda: dumps(hosts) == before, "something was left")


def test_a_guest_behind_a_real_tap_gets_the_offer_and_never_the_request(hosts: Lan) -> None:
    argv = ["ip", "netns", "exec", COMPUTE, sys.executable, wire.__file__, "tap", "tap-real", "qbrbwt"]
    guest = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert guest.stdout is not None
        assert guest.stdout.readline() == b"up\n"
        points = [Point("tap", COMPUTE, "tap-real"), *POINTS[1:]]
        with Capture(points, OTHER_MAC) as capture, Injection(COMPUTE, "tap-real") as way:
            assert capture.ready() == {}
            way.send(dhcp.discover(OTHER_MAC, 0xB1000104))
            seen = capture.collect(0xB1000104, settle_s=20)
    finally:
        got = guest.communicate()[0].decode().split()
    assert [(s.point.hop, s.live, s.requests, s.replies) for s in seen] == [(p.hop, True, 1, 1) for p in points]
    kinds = [m.kind for frame in got if (m := dhcp.parse(bytes.fromhex(frame))) is not None and m.xid == 0xB1000104]
    assert kinds == ["offer"]


def test_it_may_be_sent_again_while_all_watch(hosts: Lan) -> None:
    frame = dhcp.discover(MAC, 0xB1000103)
    with Capture(POINTS, MAC) as capture, Injection(COMPUTE, "tapbwt") as way:
        assert capture.ready() == {}
        way.send(frame)
        assert {s.requests for s in capture.collect(0xB1000103, settle_s=20)} == {1}
        way.send(frame)
        assert {s.requests for s in capture.collect(0xB1000103, settle_s=0, linger_s=1)} == {2}


def test_the_request_goes_through_the_firewalls_chains(hosts: Lan) -> None:
    rule = [
        "FORWARD",
        "-p",
        "udp",
        "--dport",
        "67",
        "-m",
        "physdev",
        "--physdev-in",
        "tapbwt",
        "--physdev-is-bridged",
        "-j",
        "DROP",
    ]
    sh("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1", ns=COMPUTE)
    sh("iptables", "-I", *rule, ns=COMPUTE)
    try:
        with Capture(POINTS, MAC) as capture:
            capture.ready()
            inject_request(COMPUTE, "tapbwt", MAC, 0xB1000102)
            seen = capture.collect(0xB1000102, settle_s=0.5)
        counted = sh("iptables", "-nvxL", "FORWARD", ns=COMPUTE)
    finally:
        sh("iptables", "-D", *rule, ns=COMPUTE)
    assert [s.requests for s in seen] == [1, 1, 0, 0, 0, 0, 0]
    assert all(s.live for s in seen)
    assert "       1      328 DROP" in counted


def test_a_tap_that_is_not_there_is_an_answer_and_leaves_nothing(hosts: Lan) -> None:
    before = dumps(hosts)
    with pytest.raises(StepFailed, match="tapgone"):
        inject_request(COMPUTE, "tapgone", MAC, 1)
    assert dumps(hosts) == before


def test_a_host_that_is_not_there_is_an_answer() -> None:
    with pytest.raises(StepFailed, match="bwt-none"):
        inject_request("bwt-none.invalid", "tap0", MAC, 1)


_ARM = """
import sys, time
from blue_wizard.diagnose.agents import Agents
host = sys.argv[1]
with Agents("send", {host: {"run": "0badcafe", "device": "tapbwt"}}, deadline_s=600) as a:
    assert a.ask(None, "armed", [host], 30)
    print("armed", flush=True)
    time.sleep(600)
"""


def test_our_own_sudden_death_leaves_nothing(hosts: Lan) -> None:
    before = dumps(hosts)
    child = subprocess.Popen([sys.executable, "-c", _ARM, COMPUTE], stdout=subprocess.PIPE, env=dict(os.environ))
    assert child.stdout is not None
    assert child.stdout.readline() == b"armed\n"
    assert "bw-0badcafe" in hosts.dump(COMPUTE)
    child.kill()
    child.wait()
    until(lambda: dumps(hosts) == before, "something was left")


def _armed(run: str) -> Agents:
    return Agents("send", {COMPUTE: {"run": run, "device": "tapbwt"}}, deadline_s=60)


def _kill_the_program() -> None:
    """Ours on the host, by SIGKILL; it can't do anything about it."""
    (found,) = programs(COMPUTE)
    os.kill(found, signal.SIGKILL)


def test_the_janitor_removes_what_a_killed_program_left_and_nothing_else(hosts: Lan) -> None:
    # Somebody else's, with a name like ours.
    sh("ip", "link", "add", "bw-other", "type", "veth", "peer", "name", "bw-other1", ns=COMPUTE)
    try:
        before = dumps(hosts)
        with _armed("0badcaff") as agents:
            assert agents.ask(None, "armed", [COMPUTE], 30)
            (living, _network) = clean([COMPUTE, NETWORK])
            assert living == Cleaned(COMPUTE, (), ("0badcaff",))
            assert "bw-0badcaff" in hosts.dump(COMPUTE)
            _kill_the_program()
        # Its pair goes by itself, since its namespace does; its record does not.
        assert dumps(hosts) != before
        cleaned = clean([COMPUTE, NETWORK, COMPUTE])
        assert [(c.host, c.running, c.error) for c in cleaned] == [(COMPUTE, (), ""), (NETWORK, (), "")]
        assert "record of run 0badcaff" in cleaned[0].removed
        until(lambda: dumps(hosts) == before, "something was left")
        assert [c.removed for c in clean([COMPUTE, NETWORK])] == [(), ()]
    finally:
        sh("ip", "link", "del", "bw-other", ns=COMPUTE)


def test_the_next_capture_cleans_up_too(hosts: Lan) -> None:
    before = dumps(hosts)
    with _armed("0badcafd") as agents:
        assert agents.ask(None, "armed", [COMPUTE], 30)
        _kill_the_program()
    with Capture(POINTS, MAC) as capture:
        capture.ready()
    until(lambda: dumps(hosts) == before, "something was left")


def test_a_link_that_outlived_its_program_is_removed(hosts: Lan) -> None:
    """As where the kernel could not take it: the pair lives in the host's namespace alone."""
    before = dumps(hosts)
    record = '{"pid": 1, "started": 7, "boot": "another", "links": ["bw-0badcafc", "tapbwt"]}'
    hosts.on(COMPUTE, "mkdir", "-p", "/run/blue-wizard/diagnose")
    hosts.on(COMPUTE, "sh", "-c", 'echo "$1" > /run/blue-wizard/diagnose/0badcafc.json', "sh", record)
    sh("ip", "link", "add", "bw-0badcafc", "type", "veth", "peer", "name", "bw-0badcafx", ns=COMPUTE)
    (cleaned,) = clean([COMPUTE])
    assert cleaned.removed == ("link bw-0badcafc", "record of run 0badcafc")
    assert dumps(hosts) == before, "tapbwt has no name of ours, whatever a record says"


def test_a_host_that_can_not_be_cleaned_says_so() -> None:
    (cleaned,) = clean(["bwt-none.invalid"])
    assert (cleaned.removed, cleaned.running) == ((), ())
    assert "bwt-none.invalid" in cleaned.error
