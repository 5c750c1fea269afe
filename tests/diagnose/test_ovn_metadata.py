"""Metadata in OVN: the port on every host, its namespace and its proxy, as neutron-ovn-metadata-agent makes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from blue_wizard.diagnose.aim import METADATA
from blue_wizard.diagnose.model import Verdict
from tests.diagnose.ovn_faults import SYNC, look
from tests.diagnose.ovn_site import ADDRESS, HOST, META, META_ADDRESS, META_PORT, NETWORK, PORT, SPACE, TAP, OvnSite


@pytest.fixture
def served(site: OvnSite) -> Iterator[OvnSite]:
    site.serve_metadata()
    yield site
    site.on(f"pkill -9 -f [m]etadata_agent.py; rm -f {site.socket}")


def test_the_proxy_of_a_healthy_port(served: OvnSite) -> None:
    bundle, report = look(served, to=METADATA)
    assert (report.verdict, report.cause, report.findings) == (Verdict.OK, None, ()), bundle.hosts[HOST].answers
    assert [(h.name, h.host, h.device, h.request.value, h.reply.value) for h in report.hops] == [
        ("guest", HOST, "web", "seen", "seen"),
        ("tap", HOST, TAP, "seen", "seen"),
        ("compute-br-int", HOST, "br-int", "seen", "seen"),
        ("metadata-port", HOST, f"{META}1", "seen", "seen"),
        ("metadata-proxy", HOST, "haproxy", "seen", "seen"),
    ]
    assert report.hops[3].actual == f"up {META_ADDRESS}, {METADATA}"
    _bundle, dhcp = look(served)
    assert (dhcp.verdict, dhcp.findings) == (Verdict.OK, ())


# As DHCP's option 121 tells a guest. Open vSwitch in user space does not fill in checksums that were left to a card.
_GET = f"""
from http.client import HTTPConnection
asked = HTTPConnection("{METADATA}", timeout=5)
asked.request("GET", "/")
print(asked.getresponse().read().decode(), end="")
"""
_GUEST = f"""
ip netns add guest
ip link set guest0 netns guest
ip -n guest link set guest0 up
ip -n guest address add {ADDRESS}/24 dev guest0
ip -n guest route add {METADATA}/32 via {META_ADDRESS} dev guest0
ip netns exec guest ethtool -K guest0 tx off > /dev/null
ip netns exec {SPACE} ethtool -K {META}1 tx off > /dev/null
ip netns exec guest python3 -c '{_GET}' 2> /dev/null || echo none
ip -n guest link set guest0 netns 1
ip link set guest0 up
ip netns del guest
"""


def test_a_guest_gets_what_is_said_to_be_well(served: OvnSite) -> None:
    assert look(served, to=METADATA)[1].verdict is Verdict.OK
    assert served.on(_GUEST) == NETWORK
    served.on(FAULTS["flows deleted"][0])
    assert look(served, to=METADATA)[1].verdict is Verdict.LOST
    assert served.on(_GUEST) == "none\n"


FAULTS: dict[str, tuple[str, str, tuple[str, str], str]] = {
    "no namespace": (f"kill -9 $(ip netns pids {SPACE}); ip netns del {SPACE}; sleep 0.3", "ovn.no-metadata",
                     ("compute-br-int", "metadata-port"), SPACE),
    "pair gone": (f"ip link del {META}0", "ovn.no-metadata", ("compute-br-int", "metadata-port"), f"{META}0"),
    "outer end down": (f"ip link set {META}0 down", "ovn.no-metadata", ("compute-br-int", "metadata-port"), f"{META}0"),
    "inner end down": (f"ip -n {SPACE} link set {META}1 down", "ovn.no-metadata", ("compute-br-int", "metadata-port"),
                       f"{META}1"),
    "not in the switch": (f"ovs-vsctl del-port {META}0", "ovn.no-metadata", ("compute-br-int", "metadata-port"), f"{META}0"),
    "another iface-id": (f"ovs-vsctl set Interface {META}0 external_ids:iface-id=x; {SYNC}", "ovs.wrong-iface-id",
                         ("compute-br-int", "metadata-port"), f"{META}0"),
    "not in OVN": (f"ovn-nbctl lsp-del {META_PORT}; {SYNC}", "ovn.port-missing", ("compute-br-int", "metadata-port"), META_PORT),
    "no address": (f"ip -n {SPACE} address del {METADATA}/32 dev {META}1", "metadata.redirect-missing",
                   ("metadata-port", "metadata-proxy"), SPACE),
    "proxy killed": (f"kill -9 $(ip netns pids {SPACE}); sleep 0.2", "metadata.proxy-down", ("metadata-port", "metadata-proxy"),
                     "haproxy"),
    "proxy stopped": (f"kill -STOP $(ip netns pids {SPACE}); sleep 0.1", "metadata.proxy-down",
                      ("metadata-port", "metadata-proxy"), "haproxy"),
    "agent gone": ("pkill -9 -f [m]etadata_agent.py; rm {socket}", "metadata.agent-down", ("metadata-port", "metadata-proxy"),
                   "neutron-ovn-metadata-agent"),
    "flows deleted": ("ovs-ofctl del-flows br-int", "ovn.flows-missing", ("compute-br-int", "metadata-port"), "br-int"),
    "dropped by an ACL": (
        f"ovn-nbctl acl-add neutron-{NETWORK} from-lport 1010 'inport == \"{PORT}\" && ip4.dst == {METADATA}' drop; {SYNC}",
        "ovn.dropped", ("compute-br-int", "metadata-port"), "ls_in_acl"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_cause(served: OvnSite, name: str) -> None:
    script, code, between, thing = FAULTS[name]
    served.on(script.replace("{socket}", str(served.socket)))
    _bundle, report = look(served, to=METADATA)
    assert report.cause is not None
    assert (report.verdict, report.cause.code, report.cause.object) == (Verdict.LOST, code, thing), report.cause
    assert (report.lost_between, report.cause.host) == (between, HOST)
    assert report.cause.remedy
    assert report.cause.evidence


def test_a_network_without_a_metadata_port(served: OvnSite) -> None:
    _bundle, report = look(served, lambda api: api.aim["distributed"].clear(), to=METADATA)
    assert report.cause is not None
    assert (report.verdict, report.cause.code, report.cause.object) == (Verdict.LOST, "ovn.no-metadata", NETWORK)


def test_a_group_that_lets_nothing_out(served: OvnSite) -> None:
    def close(api: Any) -> None:
        api.aim["groups"]["group"]["security_group_rules"].clear()

    _bundle, report = look(served, close, to=METADATA)
    assert report.cause is not None
    assert (report.verdict, report.cause.code) == (Verdict.LOST, "sg.egress")


def test_what_was_wired_goes_on_without_the_controller(served: OvnSite) -> None:
    served.on("pkill -9 -x ovn-controller; sleep 0.3")
    _bundle, report = look(served, to=METADATA)
    assert (report.verdict, [f.code for f in report.findings]) == (Verdict.OK, ["ovn.controller-down"])


@pytest.mark.parametrize("name", ["no namespace", "pair gone"])
def test_without_an_aim_it_is_a_finding(served: OvnSite, name: str) -> None:
    served.on(FAULTS[name][0])

    def with_agent(api: Any) -> None:
        api.agents.append({**api.agents[0], "agent_type": "OVN Metadata agent"})

    _bundle, report = look(served, with_agent)
    assert (report.verdict, [f.code for f in report.findings]) == (Verdict.OK, ["ovn.no-metadata"])
