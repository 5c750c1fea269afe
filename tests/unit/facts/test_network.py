"""What hosts print about their network, in the forms of several versions."""

from __future__ import annotations

import json
from ipaddress import ip_network

import pytest

from blue_wizard.facts import dnsmasq, iproute, iptables, openflow, ovs
from blue_wizard.facts.iptables import Packet, follow
from blue_wizard.facts.ofproto_trace import Output, parse_trace

KERNEL = """Flow: udp,in_port=5,vlan_tci=0x0000,dl_src=fa:16:3e:aa:bb:01,dl_dst=ff:ff:ff:ff:ff:ff

bridge("br-int")
----------------
 0. priority 0, cookie 0x9
    resubmit(,60)
60. priority 3
    NORMAL
     -> no learned MAC for destination, flooding

    bridge("br-ex")
    ---------------
         0. in_port=2, priority 2
            drop

bridge("br-tun")
----------------
22. dl_vlan=3, priority 1
    strip_vlan
    output:3
     -> output to kernel tunnel

Final flow: unchanged
Megaflow: recirc_id=0,in_port=5
Datapath actions: push_vlan(vid=3,pcp=0),2,pop_vlan,set(tunnel(tun_id=0x64,src=192.0.2.1,dst=192.0.2.2,flags(df|key))),4
"""


def test_a_trace_of_a_kernel_datapath_without_names() -> None:
    found = parse_trace(KERNEL)
    assert found.outputs == (Output("2", 3), Output("4", None, "192.0.2.2", 0x64))
    assert found.bridges() == ["br-int", "br-ex", "br-tun"]
    assert [s.drops for s in found.steps] == [False, False, True, False]
    assert found.steps[1].remarks == ("no learned MAC for destination, flooding",)
    assert found.steps[0].cookie == 9


@pytest.mark.parametrize(
    ("actions", "outputs"),
    [
        ("drop", ()),
        ("5", (Output("5"),)),
        ("pop_vlan,qvo1", (Output("qvo1"),)),
        ("push_vlan(vid=101,pcp=0),eth1", (Output("eth1", 101),)),
        ("set(vlan(vid=7,pcp=0)),eth1", (Output("eth1", 7),)),
        ("tnl_pop(4)", ()),
        (
            "clone(tnl_push(tnl_port(6),header(size=50,type=4,eth(dst=a,src=b,dl_type=0x0800),ipv4(src=1.1.1.1,dst=2.2.2.2,"
            "proto=17,tos=0,ttl=64,frag=0x4000),udp(src=0,dst=4789,csum=0x0),vxlan(flags=0x8000000,vni=0x65)),out_port(1)),3)",
            (Output("3", None, "2.2.2.2", 0x65),),
        ),
        ("ct(commit,zone=3,mark=0x1/0x1),recirc(0x2)", ()),
        (
            "set(tunnel(tun_id=0x5,dst=10.0.0.9,ttl=64,tp_dst=6081,geneve({class=0x102,type=0x80,len=4,0x10002}),flags(df|csum|key))),2",
            (Output("2", None, "10.0.0.9", 5),),
        ),
    ],
)
def test_datapath_actions(actions: str, outputs: tuple[Output, ...]) -> None:
    assert parse_trace(f"Datapath actions: {actions}\n").outputs == outputs


def test_a_trace_that_ends_without_a_flow() -> None:
    text = 'bridge("br-int")\n------\n60. No match.\n    drop\n\nDatapath actions: drop\n'
    (step,) = parse_trace(text).steps
    assert (step.table, step.priority, step.drops) == (60, None, True)


def test_what_a_port_refuses_is_a_remark() -> None:
    text = (
        'bridge("br-int")\n------\n60. priority 3\n    NORMAL\n'
        "     >> disallowed VLAN VID for this input port, dropping\n\nDatapath actions: drop\n"
    )
    assert parse_trace(text).steps[0].remarks == ("disallowed VLAN VID for this input port, dropping",)


FLOWS_10 = """NXST_FLOW reply (xid=0x4):
 cookie=0x4e, table=4, n_packets=60, priority=1,tun_id=0x681 actions=mod_vlan_vid:1,resubmit(,10)
 cookie=0x4e, table=22, n_packets=1, priority=1,dl_vlan=1 actions=strip_vlan,load:0x681->NXM_NX_TUN_ID[],output:2,output:3
"""
FLOWS_13 = """OFPST_FLOW reply (OF1.3) (xid=0x2):
 cookie=0x87, table=4, n_packets=33, priority=1,tun_id=0x681 actions=push_vlan:0x8100,set_field:4097->vlan_vid
 cookie=0x87, table=22, n_packets=45, reset_counts priority=1,dl_vlan=1 actions=pop_vlan,set_field:0x681->tun_id,output:2,output:3
"""


@pytest.mark.parametrize("text", [FLOWS_10, FLOWS_13])
def test_flows_in_the_words_of_two_protocols(text: str) -> None:
    inward, flood = openflow.parse_flows(text)
    assert (inward.table, inward.priority, inward.match) == (4, 1, {"tun_id": "0x681"})
    assert openflow.local_vlan(inward.actions) == 1
    assert flood.match == {"dl_vlan": "1"}
    assert (openflow.tunnel_id(flood.actions), openflow.outputs(flood.actions)) == (0x681, {2, 3})
    assert flood.packets in {1, 45}


def test_a_flow_that_drops() -> None:
    (flow,) = openflow.parse_flows(
        " cookie=0x0, duration=1s, table=0, n_packets=9, n_bytes=1, udp,tp_dst=67 actions=drop\n"
    )
    assert flow.drops
    assert flow.priority == 32768
    assert flow.text() == "table=0,priority=32768,udp,tp_dst=67 actions=drop"


def test_flags_of_ports() -> None:
    text = """OFPST_PORT_DESC reply (OF1.3) (xid=0x2):
 2(patch-tun): addr:36:08:21:09:c7:18
     config:     NO_FWD
     state:      LIVE
 LOCAL(br-int): addr:aa:62:f0:f5:83:46
     config:     PORT_DOWN
     state:      LINK_DOWN
 3(qvo1): addr:00:00:00:00:00:00
     config:     0
"""
    assert openflow.parse_port_configs(text) == {"patch-tun": ("NO_FWD",), "br-int": ("PORT_DOWN",), "qvo1": ()}


def test_what_a_bridge_has_learned() -> None:
    text = (
        " port  VLAN  MAC                Age\n    3     1  fa:16:3e:f2:38:8d  206\n"
        "LOCAL     0  02:00:00:00:00:01    3\n    4     5  fa:16:3e:00:00:01  static\n"
    )
    assert ovs.parse_fdb(text) == [
        ovs.Learned(3, 1, "fa:16:3e:f2:38:8d", 206),
        ovs.Learned(0, 0, "02:00:00:00:00:01", 3),
        ovs.Learned(4, 5, "fa:16:3e:00:00:01", 0),
    ]


def test_no_database_is_no_switch() -> None:
    with pytest.raises(ValueError, match="tables"):
        ovs.parse_database('{"headings": [], "data": []}')


SAVED = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [7:900]
:own - [0:0]
[3:300] -A FORWARD -m physdev --physdev-in tap1 --physdev-is-bridged -j own
[0:0] -A FORWARD ! -i eth0 -p udp -m udp --dport 67:68 -j ACCEPT
[1:100] -A own -s 0.0.0.0/32 -p udp -m udp --sport 68 --dport 67 -m comment --comment "two words" -j RETURN
[2:200] -A own -m set --match-set x src -j DROP
[2:200] -A own -j DROP
COMMIT
"""


ANY = "0.0.0.0"  # noqa: S104


def _packet(**other: object) -> Packet:
    fields = {"source": ANY, "destination": "255.255.255.255",
              "source_port": 68, "destination_port": 67,
              "device_in": "qbr1", "device_out": "qbr1", "bridge_in": "tap1", "bridge_out": "qvb1"} | other  # fmt: skip
    return Packet(**fields)  # type: ignore[arg-type]


def test_a_packet_returns_from_a_chain_and_goes_on() -> None:
    fate = follow(iptables.parse_save(SAVED), "filter", "FORWARD", _packet())
    assert (fate.accepted, fate.path) == (True, ("FORWARD", "own"))
    assert fate.rule is not None
    assert fate.rule.target == "ACCEPT"


def test_a_packet_is_dropped_by_a_rule_and_what_can_t_be_judged_is_named() -> None:
    fate = follow(iptables.parse_save(SAVED), "filter", "FORWARD", _packet(source_port=1, destination_port=53))
    assert not fate.accepted
    assert fate.rule is not None
    assert (fate.rule.chain, fate.rule.packets) == ("own", 2)
    assert len(fate.doubt) == 1


def test_the_policy_counts_at_the_end() -> None:
    fate = follow(iptables.parse_save(SAVED), "filter", "FORWARD", _packet(bridge_in="tap2", destination_port=53))
    assert (fate.accepted, fate.rule, fate.chain) == (False, None, "FORWARD")


def test_a_table_that_is_not_there_lets_everything_pass() -> None:
    assert follow(iptables.parse_save(SAVED), "raw", "PREROUTING", _packet()).accepted


def test_comments_and_counters() -> None:
    tables = iptables.parse_save(SAVED)
    rule = tables["filter"]["own"].rules[0]
    assert (rule.comment, rule.packets) == ("two words", 1)
    assert rule.text.startswith("-A own -s 0.0.0.0/32")
    assert tables["filter"]["FORWARD"].policy == "DROP"


def test_links_and_addresses() -> None:
    rows = [
        {"ifname": "tap1", "flags": ["UP", "LOWER_UP"], "mtu": 1450, "operstate": "UNKNOWN", "address": "fe:16:3e:00:00:01",
         "master": "qbr1", "linkinfo": {"info_kind": "tun", "info_slave_data": {"state": "forwarding", "isolated": False}},
         "stats64": {"rx": {"packets": 5, "dropped": 1}, "tx": {"packets": 6, "dropped": 2}}},
        {"ifname": "qbr1", "flags": [], "linkinfo": {"info_kind": "bridge", "info_data": {"vlan_filtering": 1}}},
        {},
    ]  # fmt: skip
    links = iproute.parse_links(json.dumps(rows))
    tap = links["tap1"]
    assert (tap.up, tap.carrier, tap.master, tap.port_state, tap.rx_packets, tap.tx_dropped) == (
        True, True, "qbr1", "forwarding", 5, 2,
    )  # fmt: skip
    assert links["qbr1"].info == {"vlan_filtering": 1}
    text = json.dumps([{"ifname": "a", "addr_info": [{"local": "10.0.0.1"}, {"local": "fe80::1"}]}])
    assert iproute.parse_addresses(text) == {"a": ("10.0.0.1", "fe80::1")}


def test_dnsmasq() -> None:
    text = (
        "fa:16:3e:00:00:01,host-10-0-0-5.openstacklocal,10.0.0.5\n"
        "FA:16:3E:00:00:02,set:port-1,host-6,10.0.0.6,set:x\n"
        "fa:16:3e:00:00:03,id:00:01,host-7,[fd00::7]\n"
        "id:00:04,tag:dhcpv6,host-8,[fd00::8]\n\n"
    )
    found = dnsmasq.parse_hosts(text)
    assert [(r.mac, r.address) for r in found] == [
        ("fa:16:3e:00:00:01", "10.0.0.5"),
        ("fa:16:3e:00:00:02", "10.0.0.6"),
        ("fa:16:3e:00:00:03", "fd00::7"),
    ]
    argv = [
        "dnsmasq",
        "--dhcp-range=set:subnet-1,10.1.0.0,static,255.255.255.0,86400s",
        "--dhcp-range=tag:x,fd00::,static,64,1h",
    ]
    assert dnsmasq.ranges(argv) == [ip_network("10.1.0.0/24"), ip_network("fd00::/64")]
    udp = "  sl  local_address rem_address\n 1: 00000000:0043 00000000:0000 07\n"
    assert dnsmasq.listens_on(udp)
    assert not dnsmasq.listens_on(udp.replace("0043", "0035"))
