"""What captures add to the judgement: where a real packet was seen, and where not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from blue_wizard.diagnose.case import cases
from blue_wizard.diagnose.counters import rises
from blue_wizard.diagnose.judge import judge
from blue_wizard.diagnose.model import PortReport, Verdict
from blue_wizard.diagnose.packet import points
from tests.unit.diagnose.seen import HYBRID, LINUXBRIDGE, OVSFW, TWO_PORTS, VLAN_OVSFW, Seen

ORDER = ("tap", "qbr", "qvb", "qvo", "compute-nic", "network-nic", "dhcp-port")


def hop(requests: int, replies: int, *, live: bool = True, server: str = "10.1.0.2") -> dict[str, Any]:
    offers = [{"kind": "offer", "address": "10.1.0.47", "server": server, "source": "fa:16:3e:00:00:01"}] * replies
    return {"device": "dev", "live": live, "requests": requests, "replies": replies, "vlans": [], "vnis": [],
            "strangers": [], "offers": offers, "problem": "" if live else "busy", "error": ""}  # fmt: skip


def captured(seen: Seen, requests: str, replies: str, *, method: str = "inject", **more: Any) -> PortReport:
    """One sign a hop in the order of ORDER: 1 seen, 0 watched and not seen, ? not watched closely."""
    names = ORDER if len(requests) == len(ORDER) else ("tap", "compute-nic", "network-nic", "dhcp-port")
    hops = {
        name: hop(int(a == "1"), int(b == "1"), live="?" not in (a, b))
        for name, a, b in zip(names, requests, replies, strict=True)
    }
    seen.bundle.captures[seen.port["id"]] = {
        "method": method,
        "dhcp_port": seen.dhcp_port["id"],
        "hops": hops,
        **more,
    }
    return seen.report()


def test_an_answer_at_the_tap_is_ok() -> None:
    report = captured(Seen(HYBRID), "1111111", "1111111")
    assert report.verdict is Verdict.OK
    states = {h.name: (h.request.value, h.reply.value, h.seen_by.value) for h in report.hops}
    assert states["qvb"] == ("seen", "seen", "capture")
    assert states["compute-br-int"][2] == "trace"


def test_a_packet_that_passes_outweighs_what_looks_wrong() -> None:
    seen = Seen(HYBRID)
    seen.set_row(seen.cmp, 1, f"qvo{seen.short}", tag=99)
    report = captured(seen, "1111111", "1111111")
    assert report.verdict is Verdict.OK
    assert [f.code for f in report.findings] == ["ovs.wrong-tag"]


def test_a_packet_that_passes_does_not_hide_what_could_not_be_read() -> None:
    seen = Seen(HYBRID)
    seen.cmp["ovs"].update(rc=1, out="", err="ovs-vsctl: unix:/run/openvswitch/db.sock: database connection failed")
    seen.cmp.update(flows={}, ports={}, fdb={}, traces={})
    report = captured(seen, "1111111", "1111111")
    assert (report.verdict, report.cause) == (Verdict.OK, None)
    assert [f.code for f in report.findings] == ["ovs.db-down"]


@pytest.mark.parametrize(
    ("requests", "replies", "between", "direction", "code"),
    [
        ("1000000", "0000000", ("tap", "qbr"), "request", "path.unexplained"),
        ("1111000", "0000000", ("qvo", "compute-nic"), "request", "path.unexplained"),
        ("1111100", "0000000", ("compute-nic", "network-nic"), "request", "underlay.blocked"),
        ("1111110", "0000000", ("network-nic", "dhcp-port"), "request", "path.unexplained"),
        ("1111111", "0000000", ("dhcp-port", "dhcp-server"), "request", "dhcp.silent"),
        ("1111111", "0000011", ("network-nic", "compute-nic"), "reply", "underlay.blocked"),
        ("1111111", "0011111", ("qvb", "qbr"), "reply", "path.unexplained"),
    ],
)
def test_where_it_is_lost(requests: str, replies: str, between: tuple[str, str], direction: str, code: str) -> None:
    report = captured(Seen(HYBRID), requests, replies)
    assert (report.verdict, report.lost_between, report.direction) == (Verdict.LOST, between, direction)
    assert report.cause is not None
    assert report.cause.code == code


def test_the_cause_in_the_segment_is_the_cause() -> None:
    seen = Seen(HYBRID)
    seen.set_row(seen.cmp, 1, f"qvo{seen.short}", tag=4095)
    seen.dhcp["processes"] = []
    report = captured(seen, "1111000", "0000000")
    assert report.cause is not None
    assert report.cause.code == "ovs.dead-vlan"
    assert [c.code for c in report.other_causes] == ["dhcp.server-down"]


def test_a_reply_that_is_dropped_inside_of_the_namespace() -> None:
    seen = Seen(HYBRID)
    rule = "[1:328] -A OUTPUT -p udp -m udp --sport 67 -j DROP"
    seen.dhcp["inside"]["iptables"]["out"] = f"*filter\n:OUTPUT ACCEPT [0:0]\n{rule}\nCOMMIT\n"
    report = captured(seen, "1111111", "0000000")
    assert report.cause is not None
    assert (report.cause.code, report.direction) == ("dhcp.blocked", "reply")
    assert report.lost_between == ("dhcp-server", "dhcp-port")


def test_where_a_nic_was_not_watched_the_cause_says_on_which_side_of_it() -> None:
    """A NIC that is in no bridge is not known to be one that the packet comes by."""
    seen = Seen(VLAN_OVSFW)
    seen.port_gone(seen.net, "ex0")
    report = captured(seen, "11?0", "0000")
    assert report.cause is not None
    assert (report.cause.code, report.lost_between) == ("vlan.nic-not-in-bridge", ("network-nic", "network-bridge"))
    assert captured(Seen(VLAN_OVSFW), "11?0", "0000").lost_between == ("compute-nic", "dhcp-port")


def test_a_vlan_that_the_switch_does_not_carry() -> None:
    report = captured(Seen(TWO_PORTS), "1111100", "0000000")
    assert report.cause is not None
    assert (report.cause.code, report.lost_between) == ("vlan.not-carried", ("compute-nic", "network-nic"))


@pytest.mark.parametrize("requests", ["1111???", "111????", "1??????"])
def test_a_hop_that_was_not_watched_is_unknown_and_never_lost(requests: str) -> None:
    report = captured(Seen(HYBRID), requests, requests.replace("1", "0"))
    assert report.verdict is Verdict.OK  # by state and traces, which are all well here
    states = {h.name: h.request.value for h in report.hops}
    assert states["dhcp-port"] == "unknown"
    assert "missing" not in states.values()


def test_nothing_is_said_to_be_lost_before_a_hop_that_saw_it() -> None:
    report = captured(Seen(HYBRID), "1111?11", "1111?11")
    assert report.verdict is Verdict.OK


def test_a_request_that_comes_with_a_tag_has_not_arrived() -> None:
    seen = Seen(HYBRID)
    seen.set_row(seen.net, 1, f"tap{seen.dhcp_short}", tag=["set", []])
    captured(seen, "1111111", "0000000")
    seen.bundle.captures[seen.port["id"]]["hops"]["dhcp-port"]["vlans"] = [5]
    report = seen.report()
    assert report.cause is not None
    assert (report.cause.code, report.lost_between) == ("ovs.no-tag", ("network-nic", "dhcp-port"))


def test_the_way_back_alone() -> None:
    seen = Seen(OVSFW)
    report = captured(seen, "1100", "0000", reply={"hops": {"tap": hop(0, 1), "compute-nic": hop(0, 1)}})
    states = {h.name: (h.request.value, h.reply.value) for h in report.hops}
    assert report.lost_between == ("compute-nic", "network-nic")
    assert states["tap"] == ("seen", "seen")


def test_a_stranger_answers() -> None:
    seen = Seen(HYBRID)
    captured(seen, "1111111", "1111111")
    seen.bundle.captures[seen.port["id"]]["hops"]["dhcp-port"]["offers"].append(
        {"kind": "offer", "address": "10.66.0.10", "server": "10.66.0.1", "source": "02:00:00:00:00:66"}
    )
    report = seen.report()
    assert report.verdict is Verdict.OK
    assert [(f.code, f.object) for f in report.findings] == [("dhcp.rogue", "10.66.0.1")]


def test_the_guest_asks_with_another_mac() -> None:
    seen = Seen(HYBRID)
    captured(seen, "0000000", "0000000", method="listen")
    seen.bundle.captures[seen.port["id"]]["hops"]["tap"]["strangers"] = ["52:54:00:00:00:01"]
    report = seen.report()
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.LOST, "guest.wrong-mac")


def test_a_guest_that_asks_for_nothing_is_not_lost() -> None:
    report = captured(Seen(HYBRID), "0000000", "0000000", method="listen")
    assert report.verdict is Verdict.OK
    assert [f.code for f in report.findings] == ["guest.silent"]


def test_a_guest_that_does_not_run_stays_lost() -> None:
    seen = Seen(HYBRID)
    seen.edit(
        seen.cmp["domain"], f"<target dev='tap{seen.short}'/>", f"<target dev='tap{seen.short}'/><link state='down'/>"
    )
    report = captured(seen, "1111111", "1111111")
    assert report.cause is not None
    assert report.cause.code == "guest.link-down"


def test_points_are_the_devices_that_can_be_watched() -> None:
    seen = Seen(HYBRID)
    seen.link_down(seen.cmp, f"qbr{seen.short}")
    case = cases(seen.bundle)[seen.port["id"]][0]
    found = {p.hop: (p.device, p.netns, p.tunnel) for p in points(case)}
    assert "qbr" not in found
    assert found["compute-nic"] == ("phy0", None, True)
    assert found["dhcp-port"] == (f"tap{seen.dhcp_short}", f"qdhcp-{seen.network['id']}", False)


def _counted(seen: Seen, pattern: str, text: str) -> dict[str, Any]:
    """What the compute host has counted after the packet."""
    after = json.loads(json.dumps({k: seen.cmp[k] for k in ("uid", "link", "iptables", "flows")}))
    seen.edit(after["iptables"], pattern, text)
    return {seen.compute: after}


def test_a_drop_that_counted_the_packet_is_evidence() -> None:
    seen = Seen(HYBRID)
    chain = f"neutron-openvswi-s{seen.port['id'][:10]}"
    after = _counted(seen, rf"^\[\d+:\d+\] (-A {chain} .*-j DROP)$", r"[90007:1] \1")
    report = captured(seen, "1100000", "0000000", counters=after)
    assert report.cause is not None
    assert report.cause.code == "path.unexplained"
    assert any(line.startswith("+90007 packets: iptables -t filter: -A " + chain) for line in report.cause.evidence)


def test_what_did_not_rise_or_was_not_there_is_none() -> None:
    seen = Seen(HYBRID)
    after = _counted(seen, r"^COMMIT", "[5:1] -A FORWARD -s 192.0.2.7/32 -j DROP\nCOMMIT")
    report = captured(seen, "1100000", "0000000", counters=after)
    assert report.cause is not None
    assert not [line for line in report.cause.evidence if line.startswith("+")]


def test_flows_and_devices_count_too() -> None:
    seen = Seen(OVSFW)
    after = json.loads(json.dumps({k: seen.cmp[k] for k in ("uid", "link", "iptables", "flows")}))
    seen.edit(after["flows"]["br-int"], r"(table=93, )n_packets=\d+", r"\1n_packets=70001")
    rows = json.loads(after["link"]["out"])
    next(r for r in rows if r["ifname"] == f"tap{seen.short}")["stats64"]["tx"]["dropped"] += 3
    after["link"]["out"] = json.dumps(rows)
    captured(seen, "1000", "0000", counters={seen.compute: after})
    (case,) = cases(seen.bundle)[seen.port["id"]]
    found = rises(case)
    assert "table=93" in found[0].thing
    assert (found[-1].thing, found[-1].by) == (f"tap{seen.short} tx_dropped", 3)


def test_why_no_packet_was_followed_is_told() -> None:
    seen = Seen(LINUXBRIDGE)
    seen.bundle.captures[seen.port["id"]] = {"method": "inject", "dhcp_port": seen.dhcp_port["id"], "error": "not here"}
    report = judge(seen.bundle)
    assert report.errors == ("not here",)
    assert report.ports[0].verdict is Verdict.OK
