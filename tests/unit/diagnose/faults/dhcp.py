"""The DHCP server."""

from __future__ import annotations

from tests.unit.diagnose.cases import found, lost
from tests.unit.diagnose.seen import HYBRID, Seen


@lost("dhcp.namespace-missing", HYBRID, ("network-br-int", "dhcp-port"))
def no_namespace(s: Seen) -> None:
    s.dhcp.update(namespace=None, processes=[], inside={})


@lost("dhcp.port-missing", HYBRID, ("network-br-int", "dhcp-port"))
def dhcp_port_unplugged(s: Seen) -> None:
    s.port_gone(s.net, f"tap{s.dhcp_short}")


@lost("dhcp.port-down", HYBRID, ("network-br-int", "dhcp-port"))
def dhcp_port_down(s: Seen) -> None:
    s.link_down(s.dhcp["inside"], f"tap{s.dhcp_short}")


@lost("dhcp.no-address", HYBRID, ("dhcp-port", "dhcp-server"))
def dhcp_no_address(s: Seen) -> None:
    s.edit(s.dhcp["inside"]["addr"], r"10\.1\.0\.2\b", "10.1.0.222")


@lost("dhcp.server-down", HYBRID, ("dhcp-port", "dhcp-server"))
def no_dnsmasq(s: Seen) -> None:
    s.dhcp["processes"] = []


@lost("dhcp.server-down", HYBRID, ("dhcp-port", "dhcp-server"))
def dnsmasq_stopped(s: Seen) -> None:
    s.dhcp["processes"][0]["state"] = "T"


@lost("dhcp.host-entry-missing", HYBRID, ("dhcp-port", "dhcp-server"))
def no_entry(s: Seen) -> None:
    s.dhcp["files"]["host"] = "fa:16:3e:00:00:09,host-10-1-0-9,10.1.0.9\n"


@lost("dhcp.host-entry-wrong", HYBRID, ("dhcp-port", "dhcp-server"))
def wrong_entry(s: Seen) -> None:
    s.dhcp["files"]["host"] = s.dhcp["files"]["host"].replace(s.port["mac_address"], "fa:16:3e:99:99:99")


@lost("dhcp.blocked", HYBRID, ("dhcp-port", "dhcp-server"))
def dhcp_filtered(s: Seen) -> None:
    s.dhcp["inside"]["iptables"]["out"] = (
        "*filter\n:INPUT ACCEPT [0:0]\n[1:328] -A INPUT -p udp -m udp --dport 67 -j DROP\nCOMMIT\n"
    )


@lost("dhcp.wrong-range", HYBRID, ("dhcp-port", "dhcp-server"))
def wrong_range(s: Seen) -> None:
    argv = s.dhcp["processes"][0]["argv"]
    s.dhcp["processes"][0]["argv"] = [w.replace(",10.1.0.0,", ",10.77.0.0,") for w in argv]


@lost("dhcp.wrong-mac", HYBRID, ("network-br-int", "dhcp-port"))
def dhcp_mac(s: Seen) -> None:
    s.edit(s.dhcp["inside"]["link"], s.dhcp_port["mac_address"], "fa:16:3e:00:00:77")


@found("dhcp.rogue", HYBRID)
def second_server(s: Seen) -> None:
    s.dhcp["others"] = [{"pid": 7, "argv": ["dnsmasq", "--dhcp-range=10.1.0.100,10.1.0.200"], "state": "S", "netns": 1}]
