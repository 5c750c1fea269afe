"""The server's devices and the bridge of the hybrid plug."""

from __future__ import annotations

import json

from tests.unit.diagnose.cases import lost
from tests.unit.diagnose.seen import HYBRID, OVSFW, Seen


def _flag(s: Seen, device: str, **flags: object) -> None:
    slave = {"info_kind": "tun", "info_slave_kind": "bridge", "info_slave_data": {"state": "forwarding"} | flags}
    s.link(s.cmp, device, linkinfo=slave)


@lost("tap.missing", HYBRID, ("guest", "tap"))
def tap_missing(s: Seen) -> None:
    s.link_gone(s.cmp, f"tap{s.short}")


@lost("tap.down", OVSFW, ("guest", "tap"))
def tap_down(s: Seen) -> None:
    s.link_down(s.cmp, f"tap{s.short}")


@lost("tap.not-in-bridge", HYBRID, ("tap", "qbr"))
def tap_alone(s: Seen) -> None:
    s.link(s.cmp, f"tap{s.short}", master="")


@lost("qbr.down", HYBRID, ("tap", "qbr"))
def qbr_down(s: Seen) -> None:
    s.link_down(s.cmp, f"qbr{s.short}")


@lost("qbr.missing", HYBRID, ("tap", "qbr"))
def qbr_missing(s: Seen) -> None:
    s.link_gone(s.cmp, f"qbr{s.short}")


@lost("qvb.down", HYBRID, ("qbr", "qvb"))
def qvb_down(s: Seen) -> None:
    s.link_down(s.cmp, f"qvb{s.short}")


@lost("qvb.missing", HYBRID, ("qbr", "qvb"))
def qvb_missing(s: Seen) -> None:
    s.link_gone(s.cmp, f"qvb{s.short}")
    s.link_gone(s.cmp, f"qvo{s.short}")


@lost("qvb.not-in-bridge", HYBRID, ("qbr", "qvb"))
def qvb_alone(s: Seen) -> None:
    s.link(s.cmp, f"qvb{s.short}", master="")


@lost("qvo.down", HYBRID, ("qvb", "qvo"))
def qvo_down(s: Seen) -> None:
    s.link_down(s.cmp, f"qvo{s.short}")


@lost("qvo.down", HYBRID, ("qvb", "qvo"))
def qvo_down_takes_the_carrier_of_qvb(s: Seen) -> None:
    s.link_down(s.cmp, f"qvo{s.short}")
    s.link(s.cmp, f"qvb{s.short}", flags=["BROADCAST", "UP"], operstate="LOWERLAYERDOWN")
    _flag(s, f"qvb{s.short}", state="disabled")


@lost("qbr.vlan-filtering", HYBRID, ("tap", "qbr"))
def qbr_filters(s: Seen) -> None:
    s.link(s.cmp, f"qbr{s.short}", linkinfo={"info_kind": "bridge", "info_data": {"vlan_filtering": 1}})
    vlans = [{"vlan": 1, "flags": ["PVID", "Egress Untagged"]}]
    ports = [{"ifname": f"tap{s.short}", "vlans": []}, {"ifname": f"qvb{s.short}", "vlans": vlans}]
    s.cmp["bridge_vlan"]["out"] = json.dumps(ports)


@lost("qbr.port-blocked", HYBRID, ("qbr", "qvb"))
def port_blocked(s: Seen) -> None:
    slave = {"info_kind": "veth", "info_slave_kind": "bridge", "info_slave_data": {"state": "disabled"}}
    s.link(s.cmp, f"qvb{s.short}", linkinfo=slave)


@lost("qbr.port-flags", HYBRID, ("qbr", "qvb"))
def ports_isolated(s: Seen) -> None:
    _flag(s, f"tap{s.short}", isolated=True)
    _flag(s, f"qvb{s.short}", isolated=True)


@lost("qbr.port-flags", HYBRID, ("qbr", "qvb"))
def no_broadcast(s: Seen) -> None:
    _flag(s, f"qvb{s.short}", bcast_flood=False)


@lost("qbr.port-flags", HYBRID, ("qbr", "tap"), "reply")
def no_flood_to_tap(s: Seen) -> None:
    _flag(s, f"tap{s.short}", flood=False)


@lost("guest.wrong-mac", HYBRID, ("guest", "tap"))
def wrong_mac(s: Seen) -> None:
    s.edit(s.cmp["domain"], s.port["mac_address"], "52:54:00:00:00:01")


@lost("guest.link-down", OVSFW, ("guest", "tap"))
def cable_pulled(s: Seen) -> None:
    s.edit(s.cmp["domain"], f"<target dev='tap{s.short}'/>", f"<target dev='tap{s.short}'/><link state='down'/>")
