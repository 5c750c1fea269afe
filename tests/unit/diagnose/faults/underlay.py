"""What tunnels go over."""

from __future__ import annotations

from tests.unit.diagnose.cases import found, lost
from tests.unit.diagnose.seen import HYBRID, Seen, dropped


@lost("underlay.link-down", HYBRID, ("compute-br-tun", "compute-nic"))
def nic_down(s: Seen) -> None:
    s.link_down(s.cmp, "phy0")


@lost("underlay.mtu", HYBRID, ("compute-br-tun", "compute-nic"))
def nic_mtu(s: Seen) -> None:
    s.link(s.cmp, "phy0", mtu=300)


@lost("underlay.no-address", HYBRID, ("network-nic", "network-br-tun"))
def no_tunnel_address(s: Seen) -> None:
    s.edit(s.net["addr"], r"10\.98\.0\.11", "10.98.0.99")


@lost("underlay.no-route", HYBRID, ("compute-br-tun", "compute-nic"))
def no_route(s: Seen) -> None:
    s.cmp["remotes"]["10.98.0.11"]["route"].update(rc=2, out="", err="RTNETLINK answers: Network is unreachable")


@lost("underlay.no-route", HYBRID, ("compute-br-tun", "compute-nic"))
def detour(s: Seen) -> None:
    s.cmp["remotes"]["10.98.0.11"]["route"]["out"] = '[{"dst":"10.98.0.11","gateway":"10.99.0.1","dev":"mgmt"}]'
    s.traced(s.cmp, "compute-request", dropped("br-tun", 22, "dl_vlan=1", 1))


@lost("underlay.blocked", HYBRID, ("network-nic", "network-br-tun"))
def tunnel_blocked(s: Seen) -> None:
    key = next(k for k in s.net["traces"] if k.startswith("outer/"))
    s.net["traces"][key]["out"] = dropped("br-phy", 0, "udp,tp_dst=4789", 50)


@lost("underlay.blocked", HYBRID, ("network-nic", "network-br-tun"))
def tunnel_blocked_by_iptables(s: Seen) -> None:
    for key in [k for k in s.net["traces"] if k.startswith("outer/")]:
        s.net["traces"][key].update(rc=2, out="", err="the address is not on a bridge")
    s.net["iptables"]["out"] = (
        "*filter\n:INPUT ACCEPT [0:0]\n[9:900] -A INPUT -p udp -m udp --dport 4789 -j DROP\nCOMMIT\n"
    )


@found("port.mtu-risk", HYBRID)
def low_mtu(s: Seen) -> None:
    s.link(s.cmp, f"tap{s.short}", mtu=1400)
