from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blue_wizard.facts import dhcp
from blue_wizard.facts.dhcp import Sighting, discover, offer, parse
from tests.unit.facts.wrapping import in_geneve, in_vxlan, over_ip4, over_ip6, tagged, udp_of

MAC, SERVER_MAC = "fa:16:3e:f2:38:8d", "fa:16:3e:00:00:01"

macs = st.binary(min_size=6, max_size=6).map(lambda b: b.hex(":"))
numbers = st.integers(0, 2**32 - 1)
_NOWHERE = "0.0.0.0"  # noqa: S104
addresses = st.ip_addresses(v=4).map(str)


@given(macs, numbers)
def test_a_discover_is_read_as_it_was_built(mac: str, xid: int) -> None:
    assert parse(discover(mac, xid)) == Sighting(True, "discover", xid, mac, mac, "ff:ff:ff:ff:ff:ff")


@given(macs, macs, numbers, addresses, addresses)
def test_an_offer_is_read_as_it_was_built(mac: str, server_mac: str, xid: int, server: str, address: str) -> None:
    found = parse(offer(mac, xid, server_mac=server_mac, server=server, address=address))
    assert found == Sighting(
        False, "offer", xid, mac, server_mac, mac, address="" if address == _NOWHERE else address, server=server
    )


def _sum(data: bytes) -> int:
    """The ones' complement sum; 0xFFFF over data that holds its own checksum (RFC 1071)."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(macs, numbers, addresses, addresses)
def test_checksums_and_lengths_hold(mac: str, xid: int, server: str, address: str) -> None:
    for frame in (discover(mac, xid), offer(mac, xid, server_mac=SERVER_MAC, server=server, address=address)):
        head, udp = frame[14:34], frame[34:]
        assert _sum(head) == 0xFFFF
        assert struct.unpack_from("!H", head, 2)[0] == len(frame) - 14
        assert struct.unpack_from("!H", udp, 4)[0] == len(udp) >= 308
        assert _sum(head[12:20] + struct.pack("!HH", 17, len(udp)) + udp) == 0xFFFF


def test_a_discover_asks_for_an_answer_to_itself_alone() -> None:
    message = udp_of(discover(MAC, 7))[8:]
    assert message[10:12] == b"\0\0", "the broadcast flag would flood the network with the answer"


@given(
    st.lists(st.integers(0, 4095), max_size=2), st.integers(0, 2**24 - 1), st.lists(st.integers(0, 4095), max_size=2)
)
def test_tags_and_tunnels_are_looked_through(outer: list[int], vni: int, inner: list[int]) -> None:
    frame = discover(MAC, 7)
    for vlan in reversed(inner):
        frame = tagged(frame, vlan)
    plain = parse(frame)
    assert plain is not None
    assert (plain.vlans, plain.vni) == (tuple(inner), None)
    for wrapped in (in_vxlan(frame, vni), in_vxlan(frame, vni, 8472), in_geneve(frame, vni, b"\1" * 8)):
        tunnelled = wrapped
        for vlan in reversed(outer):
            tunnelled = tagged(tunnelled, vlan, 0x88A8)
        found = parse(tunnelled)
        assert found is not None
        assert (found.vlans, found.vni, found.xid) == (tuple(inner), vni, 7)


def test_an_underlay_of_ipv6_or_with_ip_options() -> None:
    udp = udp_of(in_vxlan(discover(MAC, 7), 100))
    ends = ["202:202:202:202:202:202:202:202", "11.11.11.11"]
    for frame, end in zip((over_ip6(udp), over_ip4(udp, options=b"\1" * 8)), ends, strict=True):
        found = parse(frame)
        assert found is not None
        assert (found.vni, found.tunnel_to) == (100, end)


@given(st.binary(max_size=700))
def test_noise_is_no_message(data: bytes) -> None:
    found = parse(data)
    assert found is None or b"\x63\x82\x53\x63" in data


@given(st.integers(0, 341), st.sampled_from(["plain", "vxlan", "geneve"]))
def test_a_frame_that_is_cut_off_is_no_error(length: int, how: str) -> None:
    frame = discover(MAC, 7)
    wrapped = {"plain": frame, "vxlan": in_vxlan(frame, 1), "geneve": in_geneve(frame, 1)}[how]
    found = parse(wrapped[:length])
    assert found is None or found.xid == 7


def test_not_dhcp() -> None:
    frame = discover(MAC, 7)
    udp = udp_of(frame)
    other_port = struct.pack("!HH", 68, 69) + udp[4:]
    assert parse(over_ip4(udp)) is not None
    assert parse(over_ip4(other_port)) is None
    assert parse(over_ip4(udp, fragment=100)) is None
    assert parse(frame[:23] + b"\x06" + frame[24:]) is None, "TCP"
    assert parse(frame.replace(b"\x63\x82\x53\x63", b"\x63\x82\x53\x64")) is None, "BOOTP without options"


def test_a_tunnel_in_a_tunnel_is_somebody_elses() -> None:
    assert parse(in_vxlan(in_vxlan(discover(MAC, 7), 1), 2)) is None


@pytest.mark.parametrize(("place", "vni"), [("underlay", 1596), ("dhcp-port", None)])
def test_a_real_exchange(place: str, vni: int | None) -> None:
    """A guest with udhcpc, dnsmasq 2.90 and Open vSwitch 3.1, recorded on the network node's NIC and in the DHCP namespace."""
    golden = json.loads((Path(__file__).parent / "golden" / "dhcp.json").read_text())
    found = [parse(bytes.fromhex(frame)) for frame in golden[place]]
    guest, server, xid = "fa:16:3e:db:57:8a", "fa:16:3e:41:c8:9e", 4010142008
    everybody, address, name = "ff:ff:ff:ff:ff:ff", "10.2.0.122", "10.2.0.2"
    # The server's host has 10.98.0.11, the guest's 10.98.0.13.
    ends = ("10.98.0.11", "10.98.0.13") if vni else ("", "")
    assert [f.tunnel_to for f in found if f] == [*ends, *ends]
    found = [replace(f, tunnel_to="") for f in found if f]
    assert found == [
        Sighting(True, "discover", xid, guest, guest, everybody, (), vni),
        Sighting(False, "offer", xid, guest, server, guest, (), vni, address, name),
        Sighting(True, "request", xid, guest, guest, everybody, (), vni, "", name),
        Sighting(False, "ack", xid, guest, server, guest, (), vni, address, name),
    ]


def test_our_transactions_are_known_by_their_first_byte() -> None:
    assert {dhcp.new_xid() >> 24 for _i in range(20)} == {0xB1}


@pytest.mark.parametrize("wrong", ["", "fa:16:3e:f2:38", "fa:16:3e:f2:38:8d:00", "zz:16:3e:f2:38:8d", "fa163ef2388d"])
def test_no_mac_address(wrong: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        discover(wrong, 1)
