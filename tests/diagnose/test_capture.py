"""Captures on real devices over real SSH: every hop sees what passes it, and a hop that was not watched says so."""

from __future__ import annotations

from blue_wizard.diagnose.capture import Capture, Offer, Point, Problem, Seen
from blue_wizard.facts import dhcp
from tests.diagnose.conftest import COMPUTE, DHCP, GUEST, MAC, NETWORK, SERVER_MAC, VNI, Lan, hybrid, sh
from tests.unit.facts.wrapping import tagged

POINTS = [Point(hop, host, device, netns, tunnel) for hop, host, device, netns, tunnel in hybrid()]


def vector(seen: list[Seen]) -> list[tuple[str, bool, int, int]]:
    return [(s.point.hop, s.live, s.requests, s.replies) for s in seen]


def test_every_hop_sees_a_request_and_its_reply(hosts: Lan) -> None:
    with Capture(POINTS, MAC) as capture:
        assert capture.ready() == {}
        hosts.send(GUEST, "eth0", dhcp.discover(MAC, 0xB1000001))
        seen = capture.collect(0xB1000001, settle_s=20)
    assert vector(seen) == [(p.hop, True, 1, 1) for p in POINTS]
    assert {s.offers for s in seen} == {(Offer("offer", "10.8.0.5", "10.8.0.2", SERVER_MAC, 0xB1000001),)}
    assert [s.vnis for s in seen] == [(), (), (), (), (VNI,), (VNI,), ()]
    assert {s.sources for s in seen} == {(MAC,)}


def test_the_last_hop_that_saw_it_is_before_the_fault(hosts: Lan) -> None:
    sh("ip", "link", "set", "qvbbwt", "nomaster", ns=COMPUTE)
    try:
        with Capture(POINTS, MAC) as capture:
            assert capture.ready() == {}
            hosts.send(GUEST, "eth0", dhcp.discover(MAC, 0xB1000002))
            seen = capture.collect(0xB1000002, settle_s=0.5)
    finally:
        sh("ip", "link", "set", "qvbbwt", "master", "qbrbwt", ns=COMPUTE)
    assert vector(seen) == [(p.hop, True, int(p.hop in ("tap", "qbr")), 0) for p in POINTS]


def test_other_transactions_and_other_guests_do_not_count(hosts: Lan) -> None:
    with Capture(POINTS[:1], MAC) as capture:
        capture.ready()
        hosts.send(GUEST, "eth0", dhcp.discover("fa:16:3e:99:99:99", 0xB1000003))
        hosts.send(GUEST, "eth0", dhcp.discover(MAC, 0xB1000004))
        seen = capture.collect(0xB1000003, settle_s=0.5)
        again = capture.collect(settle_s=5)
    assert vector(seen) == [("tap", True, 0, 0)]
    assert [(s.requests, s.replies, s.strangers) for s in again] == [(1, 1, ())]


def test_a_guest_with_another_address_is_told(hosts: Lan) -> None:
    tap = Point("tap", COMPUTE, "tapbwt", any_mac=True)
    with Capture([tap], MAC) as capture:
        capture.ready()
        hosts.send(GUEST, "eth0", dhcp.discover("fa:16:3e:99:99:99", 0xB1000005))
        (seen,) = capture.collect(settle_s=0.5)
    assert (seen.requests, seen.strangers) == (0, ("fa:16:3e:99:99:99",))


def test_tags_are_read_in_the_frame_and_where_the_kernel_keeps_them(hosts: Lan) -> None:
    """On the sending side of a pair the tag is in the frame, on the receiving side the kernel has taken it off."""
    ends = [Point("near", COMPUTE, "qvobwt"), Point("far", COMPUTE, "qvbbwt")]
    with Capture(ends, MAC) as capture:
        capture.ready()
        hosts.send(COMPUTE, "qvobwt", tagged(tagged(dhcp.discover(MAC, 0xB1000006), 7), 101))
        seen = capture.collect(0xB1000006, settle_s=0.5)
    assert [(s.requests, s.vlans) for s in seen] == [(1, (101,)), (1, (101,))]


def test_what_can_not_be_watched_is_unknown_and_the_rest_is_still_seen(hosts: Lan) -> None:
    points = [
        POINTS[0],
        Point("gone", COMPUTE, "tapgone"),
        Point("no namespace", NETWORK, "dhcp0", "bwt-none"),
        Point("no host", "bwt-none.invalid", "tap0"),
        POINTS[-1],
    ]
    with Capture(points, MAC) as capture:
        problems = capture.ready()
        hosts.send(GUEST, "eth0", dhcp.discover(MAC, 0xB1000007))
        seen = capture.collect(0xB1000007, settle_s=20)
    assert list(problems.values()) == [Problem.DEVICE, Problem.NAMESPACE, Problem.HOST]
    assert [(s.live, s.requests, s.replies) for s in seen] == [
        (True, 1, 1),
        (False, 0, 0),
        (False, 0, 0),
        (False, 0, 0),
        (True, 1, 1),
    ]
    assert all(bool(s.error) is not s.live for s in seen)


def test_a_device_that_is_down_is_not_live(hosts: Lan) -> None:
    sh("ip", "link", "set", "eth0", "down", ns=GUEST)
    sh("ip", "link", "set", "tapbwt", "down", ns=COMPUTE)
    try:
        with Capture(POINTS[:2], MAC) as capture:
            assert capture.ready() == {POINTS[0]: Problem.DOWN}
            seen = capture.collect(settle_s=0.1)
    finally:
        sh("ip", "link", "set", "tapbwt", "up", ns=COMPUTE)
        sh("ip", "link", "set", "eth0", "up", ns=GUEST)
    assert [(s.live, s.problem) for s in seen] == [(False, Problem.DOWN), (True, None)]


def test_a_device_that_is_made_anew_is_not_live(hosts: Lan) -> None:
    def make() -> None:
        sh("ip", "link", "add", "bwtx0", "type", "veth", "peer", "name", "bwtx1", ns=COMPUTE)
        sh("ip", "link", "set", "bwtx0", "up", ns=COMPUTE)

    make()
    with Capture([Point("tap", COMPUTE, "bwtx0")], MAC) as capture:
        assert capture.ready() == {}
        sh("ip", "link", "del", "bwtx0", ns=COMPUTE)
        (gone,) = capture.collect(settle_s=0.1)
        make()
        (anew,) = capture.collect(settle_s=0.1)
    sh("ip", "link", "del", "bwtx0", ns=COMPUTE)
    assert [(s.live, s.problem) for s in (gone, anew)] == [(False, Problem.DEVICE), (False, Problem.CHANGED)]


def test_a_flood_is_not_live(hosts: Lan) -> None:
    with Capture(POINTS[:1], MAC) as capture:
        capture.ready()
        hosts.send(GUEST, "eth0", dhcp.discover(MAC, 0xB1000008), times=700)
        (seen,) = capture.collect(0xB1000009, settle_s=1)
    assert (seen.live, seen.requests) == (False, 0)
    assert seen.problem in (Problem.FLOOD, Problem.DROPS)


def test_a_capture_leaves_nothing(hosts: Lan) -> None:
    before = {h: hosts.dump(h) for h in (COMPUTE, NETWORK)}
    with Capture(POINTS, MAC) as capture:
        capture.ready()
        capture.collect(settle_s=0.1)
    assert {h: hosts.dump(h) for h in (COMPUTE, NETWORK)} == before
    for ns in (COMPUTE, NETWORK, DHCP):
        assert "p_raw" not in sh("ss", "-0", "-a", "-H", ns=ns)
