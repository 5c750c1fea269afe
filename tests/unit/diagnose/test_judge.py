"""Verdicts: what could not be looked at is unknown, several DHCP servers, several ports."""

from __future__ import annotations

import json

import pytest

from blue_wizard.diagnose.bundle import HostAnswer
from blue_wizard.diagnose.collect import questions
from blue_wizard.diagnose.model import Verdict
from tests.unit.diagnose.seen import HYBRID, OVSFW, TWO_PORTS, Seen


def test_a_host_that_was_not_reached_is_unknown() -> None:
    seen = Seen(HYBRID)
    seen.bundle.hosts[seen.compute] = HostAnswer(fault="unreachable", message="no route to host")
    report = seen.report()
    assert report.verdict is Verdict.UNKNOWN
    assert report.cause is not None
    assert report.cause.code == "host.unreachable"
    states = {h.name: h.request.value for h in report.hops}
    assert states["tap"] == "unknown"
    assert states["dhcp-server"] == "seen"


def test_what_is_proved_elsewhere_counts_though_a_host_was_not_reached() -> None:
    seen = Seen(HYBRID)
    seen.bundle.hosts[seen.compute] = HostAnswer(fault="unreachable", message="no route to host")
    seen.dhcp["processes"] = []
    report = seen.report()
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.LOST, "dhcp.server-down")


def test_without_root_nothing_is_lost() -> None:
    seen = Seen(HYBRID)
    for answers in (seen.cmp, seen.net):
        answers["uid"] = 1000
        answers["ovs"].update(rc=1, out="", err="permission denied")
        answers.update(flows={}, ports={}, fdb={}, traces={})
        answers["iptables"].update(rc=4, out="", err="you must be root")
    report = seen.report()
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.UNKNOWN, "host.privilege")


def test_a_database_that_does_not_answer_is_unknown() -> None:
    seen = Seen(HYBRID)
    seen.cmp["ovs"].update(rc=1, out="", err="ovs-vsctl: unix:/run/openvswitch/db.sock: database connection failed")
    seen.cmp.update(flows={}, ports={}, fdb={}, traces={})
    report = seen.report()
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.UNKNOWN, "ovs.db-down")


def test_a_daemon_that_runs_and_is_late_is_unknown() -> None:
    seen = Seen(HYBRID)
    seen.cmp["daemon"].update(rc=14, out="", err="fatal-signal: terminating with signal 14 (Alarm clock)")
    seen.cmp["daemon"]["processes"] = [{"pid": 7, "state": "R"}]
    seen.cmp.update(flows={}, ports={}, fdb={}, traces={})
    report = seen.report()
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.UNKNOWN, "ovs.vswitchd-down")
    seen.cmp["daemon"]["processes"] = [{"pid": 7, "state": "T"}]
    assert seen.report().verdict is Verdict.LOST


@pytest.mark.parametrize("section", ["link", "iptables"])
def test_what_could_not_be_read_is_unknown(section: str) -> None:
    seen = Seen(HYBRID)
    seen.cmp[section].update(rc=124, out="", err="no answer in 8 s")
    assert seen.report().verdict is Verdict.UNKNOWN


def test_sr_iov_is_unknown() -> None:
    seen = Seen(HYBRID)
    seen.port.update({"binding:vnic_type": "direct", "binding:vif_type": "hw_veb"})
    report = seen.report()
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.UNKNOWN, "port.unsupported")


def _on_ovn() -> Seen:
    """As the API tells of a port of ML2/OVN: no DHCP agent, and no DHCP port."""
    seen = Seen(OVSFW)
    seen.port["binding:vif_details"] = {"port_filter": True, "connectivity": "l2", "bound_drivers": {"0": "ovn"}}
    for agent in seen.api.agents or ():
        agent["agent_type"] = "OVN Controller agent"
    seen.api.dhcp_ports[seen.network["id"]] = []
    seen.api.dhcp_agents[seen.network["id"]] = []
    return seen


def test_ovn_is_asked_on_the_compute_host_alone() -> None:
    seen = _on_ovn()
    asked = questions(seen.api)
    assert set(asked) == {seen.compute}
    assert asked[seen.compute]["ovn"] == {seen.port["id"]: f"{seen.port['id'][:11]}/-/compute-request"}
    # The recorded host has no OVN.
    report = seen.report()
    assert (report.verdict, report.cause, report.firewall_driver) == (Verdict.UNKNOWN, None, "ovn")
    assert [h.name for h in report.hops] == ["guest", "tap", "compute-br-int", "dhcp-server"]


def test_what_the_api_proves_counts_on_ovn_too() -> None:
    seen = _on_ovn()
    seen.port["admin_state_up"] = False
    report = seen.report()
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.LOST, "port.admin-down")


def test_traces_that_could_not_be_made_are_unknown() -> None:
    seen = Seen(HYBRID)
    for answers in (seen.cmp, seen.net):
        for answer in answers["traces"].values():
            answer.update(rc=124, out="", err="no answer in 8 s")
    assert seen.report().verdict is Verdict.UNKNOWN


def test_an_account_that_may_not_see_hosts_is_told_so() -> None:
    seen = Seen(HYBRID)
    seen.api.server.pop("OS-EXT-SRV-ATTR:host")
    seen.api.agents = None
    for port in (seen.port, seen.dhcp_port):
        for key in [k for k in port if k.startswith("binding:")]:
            port.pop(key)
    for key in [k for k in seen.network if k.startswith("provider:")]:
        seen.network.pop(key)
    report = seen.report()
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.UNKNOWN, "host.unreachable")


def _second_dhcp_server(seen: Seen, answer: HostAnswer) -> None:
    seen.api.dhcp_ports[seen.network["id"]].append(dict(seen.dhcp_port, **{"id": "second", "binding:host_id": "net2"}))
    seen.bundle.hosts["net2"] = answer


def test_one_of_two_dhcp_servers_is_enough_and_the_other_is_told() -> None:
    seen = Seen(HYBRID)
    _second_dhcp_server(seen, HostAnswer(json.loads(json.dumps(seen.net))))
    report = seen.report()
    assert report.verdict is Verdict.DEGRADED
    assert report.findings
    assert report.cause is None


def test_a_second_dhcp_server_that_could_not_be_looked_at_is_told() -> None:
    seen = Seen(HYBRID)
    _second_dhcp_server(seen, HostAnswer(fault="unreachable", message="no route"))
    report = seen.report()
    assert report.verdict is Verdict.OK
    assert "host.unreachable" in [f.code for f in report.findings]


def test_server_and_dhcp_server_on_one_host() -> None:
    seen = Seen(OVSFW)
    # The two hosts' answers as one host's: both ports in one switch, the traces between them.
    seen.dhcp_port["binding:host_id"] = seen.compute
    seen.cmp["dhcp"] = seen.net["dhcp"]
    key = f"{seen.short}/{seen.dhcp_short}"
    for name in ("compute-request", "compute-reply"):
        device = f"tap{seen.dhcp_short}" if name.endswith("request") else f"tap{seen.short}"
        trace = f'Flow: udp\n\nbridge("br-int")\n--------\n 0. priority 0, cookie 0x1\n    NORMAL\n\nDatapath actions: {device}\n'
        seen.cmp["traces"][f"{key}/{name}"] = {"rc": 0, "out": trace, "err": "", "bridge": "br-int", "in_port": device}
    seen.set_row(
        seen.cmp, 1, f"tap{seen.short}", other_config=["map", [["tag", "1"], ["net_uuid", seen.network["id"]]]]
    )
    seen.set_row(seen.cmp, 1, "patch-tun", name=f"tap{seen.dhcp_short}", tag=1, other_config=["map", [["tag", "1"]]])
    ids = ["map", [["iface-id", seen.dhcp_port["id"]]]]
    seen.set_row(seen.cmp, 2, "patch-tun", name=f"tap{seen.dhcp_short}", type="internal", external_ids=ids)
    report = seen.report()
    assert (report.verdict, report.cause) == (Verdict.OK, None)
    seen.cmp["dhcp"][seen.network["id"]]["processes"] = []
    assert seen.report().lost_between == ("dhcp-port", "dhcp-server")


def test_each_port_has_its_own_verdict() -> None:
    from blue_wizard.diagnose.judge import judge

    seen = Seen(TWO_PORTS)
    second = seen.api.ports[1]["id"][:11]
    seen.link_down(seen.cmp, f"qvb{second}")
    report = judge(seen.bundle)
    assert [p.verdict for p in report.ports] == [Verdict.OK, Verdict.LOST]
    assert not report.healthy
