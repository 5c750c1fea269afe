"""Faults of OVN, planted on a real one: its own databases, ovn-northd, ovn-controller and Open vSwitch."""

from __future__ import annotations

import json
from typing import Any

import pytest

from blue_wizard.diagnose.model import Verdict
from tests.diagnose.ovn_faults import FAULTS, SYNC, look
from tests.diagnose.ovn_site import HOST, MAC, NETWORK, PORT, OvnSite


def test_a_healthy_port(site: OvnSite) -> None:
    bundle, report = look(site)
    assert (report.verdict, report.cause, report.findings) == (Verdict.OK, None, ())
    assert report.firewall_driver == "ovn"
    assert [(h.name, h.host, h.request.value, h.reply.value) for h in report.hops] == [
        (name, HOST, "seen", "seen") for name in ("guest", "tap", "compute-br-int", "dhcp-server")
    ]
    assert [h.device for h in report.hops[2:]] == ["br-int", "ovn-controller"]
    seen = json.dumps(bundle.hosts[HOST].answers)
    assert "Port_Binding" not in seen or MAC in seen


@pytest.mark.parametrize("name", FAULTS)
def test_cause(site: OvnSite, name: str) -> None:
    script, code, missing_from = FAULTS[name]
    site.on(script)
    _bundle, report = look(site)
    assert report.cause is not None
    assert (report.verdict, report.cause.code, report.cause.host) == (Verdict.LOST, code, HOST), report.cause
    assert report.lost_between is not None
    assert report.cause.missing_from == missing_from
    assert report.cause.remedy
    assert report.cause.evidence


def test_a_database_that_is_gone_is_told_and_what_was_wired_goes_on(site: OvnSite) -> None:
    site.on("ovn-appctl -t /run/ovn/ovnsb_db.ctl exit")
    site.until(lambda: "not" in site.on("ovn-appctl -t ovn-controller connection-status"), "the controller to notice")
    _bundle, report = look(site)
    assert (report.verdict, [f.code for f in report.findings]) == (Verdict.OK, ["ovn.disconnected"])


def test_a_tunnel_that_ends_elsewhere_is_told(site: OvnSite) -> None:
    site.on(f"ovs-vsctl set Open_vSwitch . external_ids:ovn-encap-ip=10.6.0.77; {SYNC}")
    _bundle, report = look(site)
    assert (report.verdict, [f.code for f in report.findings]) == (Verdict.OK, ["ovn.encap-address"])


def test_a_provider_network_needs_a_bridge_and_metadata_a_namespace(site: OvnSite) -> None:
    def change(api: Any) -> None:
        api.networks[NETWORK] |= {"provider:network_type": "vlan", "provider:physical_network": "physnet1"}
        api.agents.append({**api.agents[0], "agent_type": "OVN Metadata agent"})
        api.agents[0]["alive"] = False

    _bundle, report = look(site, change)
    assert report.verdict is Verdict.OK
    assert {f.code for f in report.findings} == {"ovn.no-bridge-mapping", "ovn.no-metadata", "l2.agent-dead"}


MANY = 2000


def many(site: OvnSite) -> None:
    """As many ports beside the server's, in the same network, in one transaction."""
    options = site.on("ovn-nbctl --bare --columns=_uuid list DHCP_Options").strip()
    steps = [f"set DHCP_Options {options} cidr=10.7.0.0/16"]
    for i in range(MANY):
        port, has = (
            f"10000000-0000-4000-8000-{i:012x}",
            f"fa:16:3e:10:{i >> 8:02x}:{i & 255:02x} 10.7.{8 + i // 250}.{i % 250 + 1}",
        )
        steps += [
            f"lsp-add neutron-{NETWORK} {port}",
            f"lsp-set-addresses {port} '{has}'",
            f"lsp-set-port-security {port} '{has}'",
            f"lsp-set-dhcpv4-options {port} {options}",
        ]
    made = site.run(["sh"], stdin=f"ovn-nbctl --timeout=60 {' -- '.join(steps)} && {SYNC}", timeout_s=120)
    assert made.status == 0, made.stderr


def test_a_large_database_is_asked_for_the_port_s_rows_alone(site: OvnSite, capsys: pytest.CaptureFixture[str]) -> None:
    alone = [look(site)[0].took_s for _i in range(3)]
    many(site)
    seen = [look(site) for _i in range(3)]
    bundle, report = seen[0]
    assert (report.verdict, report.cause) == (Verdict.OK, None)
    answers = bundle.hosts[HOST].answers
    assert answers is not None
    found = answers["ovn"]["ports"][PORT]
    assert len(found["rows"][0]) == 1
    assert [PORT in row["match"] for row in found["dhcp"]["rows"][0]] == [True, True]
    with capsys.disabled():
        print(
            f"\na look at a host of OVN: {alone} s; with {MANY} more ports in its network: {[b.took_s for b, _r in seen]} s"
        )


@pytest.mark.parametrize("name", ["flows deleted", "controller killed"])
def test_a_restart_of_the_controller_mends_it(site: OvnSite, name: str) -> None:
    site.on(FAULTS[name][0])
    site.on("ovn-appctl -t ovn-controller exit --restart 2>/dev/null; sleep 0.5; true")
    site.run_again()
    site.until(lambda: look(site)[1].verdict is Verdict.OK, "the flows to be written again")
