"""A real packet through a real OVN, over SSH: what answers is in the switch, and the server's device is all that can be watched."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from blue_wizard.diagnose import packet
from blue_wizard.diagnose.collect import collect
from blue_wizard.diagnose.janitor import Cleaned, clean
from blue_wizard.diagnose.judge import judge
from blue_wizard.diagnose.model import PortReport, SeenBy, Verdict
from blue_wizard.facts import dhcp
from blue_wizard.reach import ssh
from tests.diagnose import ovn_site
from tests.diagnose.ovn_faults import FAULTS
from tests.diagnose.ovn_site import ADDRESS, HOST, MAC, PORT, SERVER_MAC, TAP, OvnSite

OTHER_MAC = "fa:16:3e:00:00:99"


def follow(*, inject: bool = True, listen_s: float = 0.0) -> tuple[dict[str, object], PortReport]:
    """What was captured, and the report on it."""
    bundle = collect(ovn_site.api(), ssh.host)
    packet.follow(bundle, ssh.host, inject=inject, listen_s=listen_s)
    (report,) = judge(bundle).ports
    return bundle.captures[PORT], report


def left(site: OvnSite) -> str:
    """What a run could leave on the host."""
    return site.on("ip -br link; tc qdisc show; ls /run/blue-wizard/diagnose 2>&1 || :")


def test_the_offer_comes_back_to_a_healthy_port(door: OvnSite) -> None:
    before = left(door)
    seen, report = follow()
    assert (report.verdict, report.cause, report.findings) == (Verdict.OK, None, ())
    tap = seen["hops"]["tap"]  # type: ignore[index]
    assert (tap["live"], tap["requests"], tap["replies"]) == (True, 1, 1)
    assert tap["offers"] == [{"kind": "offer", "address": ADDRESS, "server": "10.7.0.1", "source": SERVER_MAC}]
    assert [(h.name, h.request.value, h.reply.value) for h in report.hops if h.seen_by is SeenBy.CAPTURE] == [
        ("tap", "seen", "seen")
    ]
    door.until(lambda: left(door) == before, "something was left")


# Without the device there is nothing to send into, and what answers with another address answers.
ELSEWHERE = {"tap down", "another address"}


@pytest.mark.parametrize("name", [n for n in FAULTS if n not in ELSEWHERE])
def test_a_packet_is_lost_by(door: OvnSite, name: str) -> None:
    script, code, missing_from = FAULTS[name]
    door.on(script)
    _seen, report = follow()
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.LOST, code), report.cause
    assert report.lost_between == (("tap", "dhcp-server") if missing_from != "tap" else ("compute-br-int", "tap"))
    assert [(h.request.value, h.seen_by.value) for h in report.hops if h.name == "tap"] == [("seen", "capture")]


def test_an_answer_with_another_address_is_no_help(door: OvnSite) -> None:
    door.on(FAULTS["another address"][0])
    _seen, report = follow()
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.LOST, "ovn.wrong-offer")


def test_without_the_device_nothing_is_sent_and_the_state_says_why(door: OvnSite) -> None:
    door.on(FAULTS["tap down"][0])
    seen, report = follow()
    assert "error" in seen
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.LOST, "tap.down")


def test_what_only_a_packet_finds(door: OvnSite) -> None:
    """The flows that make the answer a packet are behind the controller, where no trace comes."""
    door.on(
        "t=$(ovn-sbctl lflow-list | sed -n 's/.*table=\\([0-9]*\\) *(ls_in_dhcp_response.*/\\1/p' | head -1); "
        "ovs-ofctl del-flows br-int table=$((t + 8))"
    )
    assert judge(collect(ovn_site.api(), ssh.host)).ports[0].verdict is Verdict.OK
    _seen, report = follow()
    assert report.cause is not None
    assert (report.verdict, report.cause.code, report.cause.object) == (Verdict.LOST, "dhcp.silent", "ovn-controller")
    assert report.lost_between == ("tap", "dhcp-server")


def test_a_filter_on_the_device_that_drops_the_answer(door: OvnSite) -> None:
    # Every IPv4 frame (TC_ACT_SHOT is 2).
    program = "bpf direct-action bytecode '1,6 0 0 2,'"
    door.on(f"tc qdisc add dev {TAP} clsact")
    try:
        door.on(f"tc filter add dev {TAP} egress protocol ip prio 1 {program}")
        _seen, report = follow()
    finally:
        door.on(f"tc qdisc del dev {TAP} clsact")
    assert report.cause is not None
    assert (report.verdict, report.cause.code, report.direction) == (Verdict.LOST, "tap.tc-filter", "reply")


def listening(site: OvnSite) -> int:
    """How many sockets on the host hear every frame."""
    return len(site.on("cat /proc/net/packet").splitlines())


def heard(site: OvnSite, mac: str, times: int) -> tuple[dict[str, object], PortReport]:
    """Listen while the guest asks."""
    others = listening(site)

    def ask() -> None:
        site.until(lambda: listening(site) > others, "somebody to listen")
        # It binds, filters and proves itself before what it hears counts.
        time.sleep(1)
        for xid in range(times):
            site.send(dhcp.discover(mac, 0xB1000400 + xid))

    guest = threading.Thread(target=ask)
    guest.start()
    try:
        return follow(inject=False, listen_s=5)
    finally:
        guest.join()


def test_a_guest_that_asks_is_heard(door: OvnSite) -> None:
    seen, report = heard(door, MAC, 1)
    assert (report.verdict, report.cause, report.findings) == (Verdict.OK, None, ())
    assert seen["hops"]["tap"]["replies"] == 1, seen  # type: ignore[index]


def test_a_guest_that_nobody_answers_is_heard(door: OvnSite) -> None:
    door.on(FAULTS["flows deleted"][0])
    _seen, report = heard(door, MAC, 2)
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.LOST, "ovn.flows-missing")
    assert report.lost_between == ("tap", "dhcp-server")


def test_a_guest_with_another_mac_is_heard(door: OvnSite) -> None:
    _seen, report = heard(door, OTHER_MAC, 1)
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.LOST, "guest.wrong-mac")


def test_a_guest_that_asks_for_nothing_is_told(door: OvnSite) -> None:
    _seen, report = follow(inject=False, listen_s=0.5)
    assert (report.verdict, [f.code for f in report.findings]) == (Verdict.OK, ["guest.silent"])


_FOLLOW = """
from blue_wizard.diagnose import packet
from blue_wizard.diagnose.collect import collect
from blue_wizard.reach import ssh
from tests.diagnose import ovn_site
bundle = collect(ovn_site.api(), ssh.host)
packet.follow(bundle, ssh.host, inject=True)
"""


def programs(site: OvnSite) -> list[int]:
    """The programs of ours on the host."""
    return [int(p) for p in site.on("pgrep -x python3 || :").split()]


def test_a_sudden_death_in_the_middle_leaves_nothing(door: OvnSite) -> None:
    before = left(door)
    door.on(FAULTS["flows deleted"][0])
    child = subprocess.Popen([sys.executable, "-c", _FOLLOW], env=dict(os.environ))
    try:
        door.until(lambda: "bw-" in left(door), "the way into the tap")
    finally:
        child.kill()
        child.wait()
    door.until(lambda: left(door) == before and not programs(door), "something was left")


# A way into the tap and no listener beside it: one that comes late sweeps before it listens, and leaves the janitor nothing.
_WAY = """
import time
from blue_wizard.diagnose.inject import Injection
from blue_wizard.reach import ssh
from tests.diagnose.ovn_site import HOST, TAP
with Injection(HOST, TAP, open_host=ssh.host):
    time.sleep(60)
"""


def test_the_janitor_removes_what_killed_programs_left(door: OvnSite) -> None:
    before = left(door)
    child = subprocess.Popen([sys.executable, "-c", _WAY], env=dict(os.environ))
    try:
        door.until(lambda: "bw-" in left(door), "the way into the tap")
        door.on("pkill -9 -x python3")
    finally:
        child.kill()
        child.wait()
    assert left(door) != before
    (cleaned,) = clean([HOST])
    assert (cleaned.error, cleaned.running) == ("", ())
    assert any(r.startswith("record of run ") for r in cleaned.removed)
    assert left(door) == before
    assert clean([HOST]) == [Cleaned(HOST)]
