"""`diagnose network --to`: the way to an address beyond DHCP, on recorded facts with a router's namespace behind them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.cli import main
from blue_wizard.diagnose import bundle as files
from blue_wizard.diagnose.aim import Aim, parse
from blue_wizard.diagnose.bundle import HostAnswer
from blue_wizard.diagnose.collect import questions
from blue_wizard.diagnose.groups import allowing
from blue_wizard.diagnose.judge import judge
from blue_wizard.diagnose.model import Verdict
from blue_wizard.errors import InputError
from blue_wizard.facts.ofproto_trace import parse_trace
from blue_wizard.report.diagnosis import diagnosis_data, diagnosis_text
from tests.unit.diagnose.aimed import FLOATING, METADATA, OUTSIDE, QG, ROUTER, Aimed
from tests.unit.diagnose.seen import HYBRID, OVSFW, VLAN_OVSFW, dropped

Change = Callable[[Aimed], None]
to_metadata = partial(Aimed, to=METADATA, protocol="tcp", number=80)
with_floating = partial(Aimed, floating=True)
to_dns = partial(Aimed, protocol="udp", number=53, dhcp=True)
isolated = partial(Aimed, to=METADATA, protocol="tcp", number=80, dhcp=True)
on_ovsfw = partial(Aimed, OVSFW)


def _link(s: Aimed, name: str, **values: Any) -> None:
    rows = json.loads(s.inside["link"]["out"])
    next(r for r in rows if r["ifname"] == name).update(values)
    s.inside["link"]["out"] = json.dumps(rows)


def _gone(s: Aimed, key: str, name: str) -> None:
    field = "dev" if key == "route" else "ifname"
    rows = json.loads(s.inside[key]["out"])
    kept = [r for r in rows if r[field] != name]
    assert len(kept) < len(rows)
    s.inside[key]["out"] = json.dumps(kept)


def _address_gone(s: Aimed, name: str, address: str) -> None:
    rows = json.loads(s.inside["addr"]["out"])
    row = next(r for r in rows if r["ifname"] == name)
    kept = [a for a in row["addr_info"] if a["local"] != address]
    assert len(kept) < len(row["addr_info"])
    row["addr_info"] = kept
    s.inside["addr"]["out"] = json.dumps(rows)


def router_off(s: Aimed) -> None:
    s.router["admin_state_up"] = False


def no_agent(s: Aimed) -> None:
    s.api.aim["l3_agents"][ROUTER] = []


def no_external(s: Aimed) -> None:
    s.api.aim["router_ports"].pop()


def no_router(s: Aimed) -> None:
    s.api.aim["router_ports"].clear()


def no_namespace(s: Aimed) -> None:
    s.net["spaces"][s.space_name] = {"namespace": None, "proxies": [], "inside": {}}


def gateway_gone(s: Aimed) -> None:
    _gone(s, "link", s.far)


def gateway_down(s: Aimed) -> None:
    _link(s, s.far, flags=["BROADCAST"])


def gateway_without_address(s: Aimed) -> None:
    _address_gone(s, s.far, s.dhcp_port["fixed_ips"][0]["ip_address"])


def outer_down(s: Aimed) -> None:
    _link(s, QG, flags=["BROADCAST"])


def no_route(s: Aimed) -> None:
    _gone(s, "route", QG)


def no_route_back(s: Aimed) -> None:
    _gone(s, "route", s.far)


def not_forwarding(s: Aimed) -> None:
    s.inside["forward"]["out"] = "0\n"


def blocked(s: Aimed) -> None:
    s.edit(s.inside["iptables"], r"^:OUTPUT ACCEPT \[0:0\]\nCOMMIT", "-A FORWARD -p icmp -j DROP\nCOMMIT")


def blocked_back(s: Aimed) -> None:
    rule = f"-A FORWARD -d {s.port['fixed_ips'][0]['ip_address']}/32 -j REJECT"
    s.edit(s.inside["iptables"], r"^:OUTPUT ACCEPT \[0:0\]\nCOMMIT", f"{rule}\nCOMMIT")


def no_snat(s: Aimed) -> None:
    s.edit(s.inside["iptables"], r"^-A neutron-l3-agent-snat -o .*\n", "")


def no_floating_snat(s: Aimed) -> None:
    s.edit(s.inside["iptables"], r"^-A neutron-l3-agent-float-snat .*\n", "")


def no_floating_dnat(s: Aimed) -> None:
    s.edit(s.inside["iptables"], r"^-A neutron-l3-agent-PREROUTING .*DNAT.*\n", "")


def no_floating_address(s: Aimed) -> None:
    _address_gone(s, QG, FLOATING)


def no_redirect(s: Aimed) -> None:
    s.edit(s.inside["iptables"], r"^.*REDIRECT.*\n", "")


def no_metadata_address(s: Aimed) -> None:
    _address_gone(s, s.far, METADATA)


def proxy_hung(s: Aimed) -> None:
    s.space["proxies"][0]["state"] = "T"


def proxy_deaf(s: Aimed) -> None:
    s.edit(s.inside["tcp"], "^.*:25E1 .*\n", "")


def metadata_agent_gone(s: Aimed) -> None:
    s.net["unix"].clear()


def dns_hung(s: Aimed) -> None:
    s.dhcp["processes"][0]["state"] = "T"


def dns_deaf(s: Aimed) -> None:
    s.edit(s.inside["udp"], "^.*:0035 .*\n", "")


def no_arp(s: Aimed) -> None:
    s.traced(s.cmp, "compute-arp", dropped("br-int", 24))


def no_arp_there(s: Aimed) -> None:
    s.traced(s.net, "network-arp", dropped("br-int", 24))


def group_closed(s: Aimed) -> None:
    s.rules.clear()


def group_rule_gone(s: Aimed) -> None:
    chain = f"neutron-openvswi-o{s.port['id'][:10]}"
    s.edit(s.cmp["iptables"], rf"^\S+ -A {chain} -j RETURN\n", "")


def group_flow_gone(s: Aimed) -> None:
    s.traced(s.cmp, "compute-request", dropped("br-int", 72))


def tap_down(s: Aimed) -> None:
    s.link_down(s.cmp, f"tap{s.short}")


def gateway_tag(s: Aimed) -> None:
    s.set_row(s.net, 1, s.far, tag=98)


LOST: list[tuple[Callable[[], Aimed], Change, str, tuple[str, str], str]] = [
    (Aimed, router_off, "router.admin-down", ("network-br-int", "gateway-port"), "request"),
    (Aimed, no_agent, "router.no-agent", ("network-br-int", "gateway-port"), "request"),
    (Aimed, no_external, "router.no-gateway", ("gateway-port", "router"), "request"),
    (Aimed, no_namespace, "router.namespace-missing", ("network-br-int", "gateway-port"), "request"),
    (Aimed, gateway_gone, "router.port-missing", ("network-br-int", "gateway-port"), "request"),
    (Aimed, gateway_down, "router.port-down", ("network-br-int", "gateway-port"), "request"),
    (Aimed, gateway_without_address, "router.no-address", ("network-br-int", "gateway-port"), "request"),
    (Aimed, outer_down, "router.port-down", ("router", "out-port"), "request"),
    (Aimed, no_route, "router.no-route", ("router", "out-port"), "request"),
    (Aimed, no_route_back, "router.no-route", ("router", "gateway-port"), "reply"),
    (Aimed, not_forwarding, "router.forwarding-off", ("router", "out-port"), "request"),
    (Aimed, blocked, "router.blocked", ("router", "out-port"), "request"),
    (Aimed, blocked_back, "router.blocked", ("router", "gateway-port"), "reply"),
    (Aimed, no_snat, "router.snat-missing", ("router", "out-port"), "request"),
    (with_floating, no_floating_snat, "fip.nat-missing", ("router", "out-port"), "request"),
    (with_floating, no_floating_dnat, "fip.nat-missing", ("out-port", "router"), "reply"),
    (with_floating, no_floating_address, "fip.address-missing", ("out-port", "router"), "reply"),
    (to_metadata, no_redirect, "metadata.redirect-missing", ("router", "metadata-proxy"), "request"),
    (isolated, no_metadata_address, "metadata.redirect-missing", ("dhcp-port", "metadata-proxy"), "request"),
    (to_metadata, proxy_hung, "metadata.proxy-down", ("router", "metadata-proxy"), "request"),
    (to_metadata, proxy_deaf, "metadata.proxy-down", ("router", "metadata-proxy"), "request"),
    (to_metadata, metadata_agent_gone, "metadata.agent-down", ("router", "metadata-proxy"), "request"),
    (to_dns, dns_hung, "dns.server-down", ("dhcp-port", "dns-server"), "request"),
    (to_dns, dns_deaf, "dns.server-down", ("dhcp-port", "dns-server"), "request"),
    (Aimed, no_arp, "arp.blocked", ("qvo", "compute-br-int"), "request"),
    (Aimed, no_arp_there, "arp.blocked", ("network-br-int", "gateway-port"), "request"),
    (Aimed, group_closed, "sg.egress", ("qbr", "qvb"), "request"),
    (on_ovsfw, group_closed, "sg.egress", ("tap", "compute-br-int"), "request"),
    (Aimed, group_rule_gone, "sg.not-applied", ("qbr", "qvb"), "request"),
    (on_ovsfw, group_flow_gone, "sg.not-applied", ("tap", "compute-br-int"), "request"),
    (Aimed, tap_down, "tap.down", ("guest", "tap"), "request"),
    (Aimed, gateway_tag, "ovs.wrong-tag", ("network-br-int", "gateway-port"), "request"),
]  # fmt: skip


@pytest.mark.parametrize(
    "made", [Aimed, on_ovsfw, partial(Aimed, VLAN_OVSFW), to_metadata, with_floating, to_dns, isolated]
)
def test_healthy(made: Callable[[], Aimed]) -> None:
    report = made().report()
    assert (report.verdict, report.cause, report.findings) == (Verdict.OK, None, ())
    assert {(h.request.value, h.reply.value) for h in report.hops} == {("seen", "seen")}
    assert report.to


@pytest.mark.parametrize(
    ("made", "change", "code", "between", "direction"),
    LOST,
    ids=[f"{c[2]}-{c[1].__name__}-{i}" for i, c in enumerate(LOST)],
)
def test_cause(made: Callable[[], Aimed], change: Change, code: str, between: tuple[str, str], direction: str) -> None:
    seen = made()
    change(seen)
    report = seen.report()
    assert report.cause is not None
    assert (report.cause.code, report.verdict) == (code, Verdict.LOST)
    assert (report.lost_between, report.direction) == (between, direction)
    assert report.cause.remedy
    assert report.cause.object


def test_small_mtu_is_a_finding() -> None:
    seen = Aimed()
    _link(seen, seen.far, mtu=1000)
    report = seen.report()
    assert (report.verdict, [f.code for f in report.findings]) == (Verdict.OK, ["router.mtu"])


def test_no_router_loses_on_a_tenants_network_and_is_unknown_on_a_providers() -> None:
    for name, verdict in ((HYBRID, Verdict.LOST), (VLAN_OVSFW, Verdict.UNKNOWN)):
        seen = Aimed(name)
        no_router(seen)
        report = seen.report()
        assert report.cause is not None
        assert (report.verdict, report.cause.code) == (verdict, "router.none")


def test_a_distributed_router_is_unknown() -> None:
    seen = Aimed()
    seen.router["distributed"] = True
    report = seen.report()
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.UNKNOWN, "router.unsupported")


def test_a_router_host_that_was_not_reached_is_unknown() -> None:
    seen = Aimed()
    seen.bundle.hosts[seen.net_name] = HostAnswer(fault="unreachable", message="no route to host")
    report = seen.report()
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.UNKNOWN, "host.unreachable")


def _peer(seen: Aimed, rules: list[dict[str, Any]]) -> None:
    """The DHCP port's place is another server's."""
    seen.api.dhcp_ports[seen.network["id"]] = []
    far = dict(
        seen.dhcp_port,
        device_owner="compute:nova",
        device_id="other",
        security_groups=["g2"],
        port_security_enabled=True,
    )
    seen.api.aim["address"] = far["fixed_ips"][0]["ip_address"]
    seen.api.aim["holders"] = [far]
    seen.api.aim["router_ports"] = []
    seen.api.aim["groups"]["g2"] = {"id": "g2", "security_group_rules": rules}
    # An internal port stands in for the tap, which is in the host's own namespace.
    rows = json.loads(seen.net["link"]["out"])
    rows.append(dict(rows[0], ifname=f"tap{seen.dhcp_short}", flags=["UP", "LOWER_UP"]))
    seen.net["link"]["out"] = json.dumps(rows)


def test_another_server_by_its_groups() -> None:
    from tests.unit.diagnose.aimed import GROUP

    by_group = {"direction": "ingress", "ethertype": "IPv4", "protocol": "icmp", "port_range_min": None, "port_range_max": None,
                "remote_ip_prefix": None, "remote_group_id": GROUP}  # fmt: skip
    seen = Aimed(dhcp=True)
    _peer(seen, [by_group])
    assert seen.report().verdict is Verdict.OK
    by_group["remote_group_id"] = "g9"
    report = seen.report()
    assert report.cause is not None
    assert (report.cause.code, report.lost_between) == ("sg.ingress", ("network-br-int", "peer-port"))
    by_group["remote_group_id"] = GROUP
    seen.link_down(seen.net, f"tap{seen.dhcp_short}")
    down = seen.report().cause
    assert down is not None
    assert down.code == "peer.down"


def test_an_address_that_nobody_has() -> None:
    seen = Aimed(dhcp=True)
    seen.api.aim["address"] = seen.port["fixed_ips"][0]["ip_address"].rpartition(".")[0] + ".222"
    report = seen.report()
    assert report.cause is not None
    assert (report.cause.code, report.verdict) == ("peer.none", Verdict.LOST)


@pytest.mark.parametrize(
    ("rule", "passes"),
    [
        ({}, True),
        ({"protocol": "tcp"}, True),
        ({"protocol": "6", "port_range_min": 80, "port_range_max": 90}, True),
        ({"protocol": "tcp", "port_range_min": 81, "port_range_max": 90}, False),
        ({"protocol": "udp"}, False),
        ({"ethertype": "IPv6"}, False),
        ({"direction": "ingress"}, False),
        ({"remote_ip_prefix": "198.51.100.0/24"}, True),
        ({"remote_ip_prefix": "192.0.2.0/24"}, False),
        ({"remote_group_id": "g"}, False),
    ],
)
def test_what_a_rule_allows(rule: dict[str, Any], passes: bool) -> None:
    whole = {
        "direction": "egress",
        "ethertype": "IPv4",
        "protocol": None,
        "port_range_min": None,
        "port_range_max": None,
        **rule,
    }
    found = allowing([{"security_group_rules": [whole]}], "egress", Aim(OUTSIDE, "tcp", 80), OUTSIDE)
    assert (found is not None) is passes


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("8.8.8.8", None), "8.8.8.8 icmp"),
        (("8.8.8.8", "TCP/443"), "8.8.8.8 tcp/443"),
        ((METADATA, None), f"{METADATA} tcp/80"),
    ],
)
def test_an_aim(words: tuple[str, str | None], expected: str) -> None:
    assert str(parse(*words)) == expected


@pytest.mark.parametrize(
    "words", [("name", None), ("::1", None), ("8.8.8.8", "tcp"), ("8.8.8.8", "icmp/8"), ("8.8.8.8", "udp/99999")]
)
def test_no_aim(words: tuple[str, str | None]) -> None:
    with pytest.raises(InputError):
        parse(*words)


def test_what_hosts_are_asked() -> None:
    asked = questions(Aimed().api)
    compute, network = asked["cmp1"], asked["net1"]
    flows = {name.rpartition("/")[2]: q["flow"] for name, q in {**compute["traces"], **network["traces"]}.items()}
    assert set(flows) == {
        "compute-request",
        "compute-reply",
        "compute-arp",
        "network-request",
        "network-reply",
        "network-arp",
        "out",
    }
    assert flows["compute-request"].startswith("icmp,")
    assert f"nw_dst={OUTSIDE}" in flows["compute-request"]
    assert "arp_op=1" in flows["network-arp"]
    assert list(network["spaces"]) == [f"qrouter-{ROUTER}"]
    assert network["dhcp"] == []


def test_the_report_says_where_it_leads() -> None:
    report = judge(Aimed().bundle)
    assert diagnosis_data(report)["ports"][0]["to"] == f"{OUTSIDE} icmp"
    assert any(OUTSIDE in str(part) for part in diagnosis_text(report))


# As Open vSwitch 3.1 traces an answer that comes out of a tunnel, shortened.
RESUMED = """\
Flow: icmp,tun_src=10.98.0.11,in_port="vxlan-0a62000b"

bridge("br-tun")
----------------
 0. in_port="vxlan-0a62000b", priority 1, cookie 0x6b5bb848e77514b
    output:"patch-int"

bridge("br-int")
----------------
81. ct_state=-trk,ip,reg5=0x4, priority 90, cookie 0x8b544eb0db8ef139
    ct(table=82,zone=NXM_NX_REG6[0..15])
    drop
     -> A clone of the packet is forked to recirculate. The forked pipeline will be resumed at table 82.

Final flow: icmp,in_port="vxlan-0a62000b"
Megaflow: recirc_id=0,ct_state=-trk,eth,icmp
Datapath actions: ct(zone=1),recirc(0x2)

===============================================================================
recirc(0x2) - resume conntrack with ct_state=est|rpl|trk
===============================================================================

Flow: recirc_id=0x2,ct_state=est|rpl|trk,ct_zone=1,eth,icmp,reg5=0x4

bridge("br-tun")
----------------
    thaw
        Resuming from table 82
82. ct_state=+est-rel+rpl,ct_zone=1,ct_mark=0,reg5=0x4, priority 50, cookie 0x8b544eb0db8ef139
    output:"tap038289cb-26"

Final flow: unchanged
Megaflow: recirc_id=0x2
Datapath actions: tap038289cb-26
"""


def test_what_connection_tracking_gives_back_goes_on_in_the_bridge_that_sent_it_there() -> None:
    found = parse_trace(RESUMED)
    assert [(s.bridge, s.table) for s in found.steps] == [("br-tun", 0), ("br-int", 81), ("br-int", 82)]
    assert [o.port for o in found.outputs] == ["tap038289cb-26"]


def answer_dropped(s: Aimed) -> None:
    end = "82. priority 0, cookie 0x8b544eb0db8ef139\n    drop\n\nFinal flow: unchanged\nMegaflow: x\nDatapath actions: drop\n"
    s.traced(s.cmp, "compute-reply", RESUMED.partition("82. ct_state")[0] + end)


def test_a_firewall_that_drops_the_answer() -> None:
    seen = Aimed(OVSFW)
    answer_dropped(seen)
    report = seen.report()
    assert report.cause is not None
    assert (report.cause.code, report.cause.object, report.lost_between) == (
        "sg.not-applied", "br-int table=82", ("compute-br-int", "tap"),
    )  # fmt: skip


def test_a_router_of_ovn_needs_no_agent() -> None:
    seen = Aimed()
    seen.port["binding:vif_details"] = {"bound_drivers": {"0": "ovn"}}
    no_agent(seen)
    report = seen.report()
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.UNKNOWN, "port.unsupported")
    assert questions(seen.api) == {}


def test_a_bundle_knows_where_it_leads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = Aimed()
    blocked(seen)
    files.write(seen.bundle, tmp_path / "to.json.gz")
    assert main(["diagnose", "network", "--from", str(tmp_path / "to.json.gz"), "-o", "json"]) == 1
    (port,) = json.loads(capsys.readouterr().out)["ports"]
    assert (port["to"], port["cause"]["code"]) == (f"{OUTSIDE} icmp", "router.blocked")


@pytest.mark.parametrize(
    "words",
    [
        ["web", "--to", "name"],
        ["web", "--protocol", "tcp/80"],
        ["web", "--to", OUTSIDE, "--inject"],
        ["web", "--to", OUTSIDE, "--capture", "5"],
        ["--to", OUTSIDE, "--from", "x.json"],
    ],
)
def test_words_that_do_not_go_together(words: list[str]) -> None:
    assert main(["diagnose", "network", *words]) == 2
