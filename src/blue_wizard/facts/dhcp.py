"""DHCP on the wire: the frames that a guest and its server send each other, built and read. Pure.

Messages after RFC 2131 and 2132, Ethernet II with 802.1Q and 802.1ad tags, VXLAN after RFC 7348, Geneve after RFC 8926.
"""

from __future__ import annotations

import ipaddress
import secrets
import struct
from dataclasses import dataclass, replace

__all__ = ["TUNNEL_PORTS", "Sighting", "discover", "new_xid", "offer", "parse"]

TUNNEL_PORTS = (4789, 8472, 6081)
"""UDP ports of VXLAN (IANA's and Linux's old one) and Geneve."""

_GENEVE = 6081
_MAGIC = b"\x63\x82\x53\x63"
_BROADCAST = b"\xff" * 6
_TAGS = (0x8100, 0x88A8, 0x9100)
_KINDS = {1: "discover", 2: "offer", 3: "request", 4: "decline", 5: "ack", 6: "nak", 7: "release", 8: "inform"}
_BOOTP = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s4s")
# Some servers and clients drop messages that are shorter than BOOTP's (RFC 1542, 2.1).
_SHORTEST = 300


@dataclass(frozen=True)
class Sighting:
    """One DHCP message as it was seen. MAC addresses are lower case with colons.

    `request`: it goes to the server. `kind` is "discover", "offer", ... or "" where the message has no such option. `vlans` are the
    tags in the frame, outermost first, inside the tunnel where there is one; `vni` the tunnel's number, None without a tunnel, and
    `tunnel_to` the address that the tunnel leads to. `address` is the one that is offered, `server` the server's, "" where none is
    named.
    """

    request: bool
    kind: str
    xid: int
    chaddr: str
    source: str
    destination: str
    vlans: tuple[int, ...] = ()
    vni: int | None = None
    address: str = ""
    server: str = ""
    tunnel_to: str = ""


def new_xid() -> int:
    """A transaction number for a message of ours: random, with the top byte 0xB1, by which it is known in captures and logs."""
    return 0xB1000000 | secrets.randbelow(1 << 24)


def discover(mac: str, xid: int) -> bytes:
    """The frame of a DHCPDISCOVER as the guest with this MAC address would send it.

    The broadcast flag is not set: the answer goes to this one guest, and is not flooded through the network. A client that has not
    asked ignores an offer (RFC 2131, 4.4.1: it discards what has another xid). Raises ValueError for a MAC address that is none.
    """
    own = _mac(mac)
    options = b"\x35\x01\x01" + b"\x3d\x07\x01" + own + b"\x37\x05\x01\x03\x06\x1a\x79" + b"\xff"
    message = _bootp(1, xid, own, "0.0.0.0", "0.0.0.0") + options  # noqa: S104
    return _frame(own, _BROADCAST, "0.0.0.0", "255.255.255.255", 68, 67, message)  # noqa: S104


def offer(
    mac: str, xid: int, *, server_mac: str, server: str, address: str, prefix: int = 24, lease_s: int = 60
) -> bytes:
    """The frame of a DHCPOFFER of `address`/`prefix` to this guest, as its server would send it. Raises ValueError."""
    own = _mac(mac)
    mask = ipaddress.IPv4Network((0, prefix)).netmask.packed
    options = (
        b"\x35\x01\x02"
        + b"\x36\x04" + _ip(server)
        + b"\x33\x04" + struct.pack("!I", lease_s)
        + b"\x01\x04" + mask
        + b"\xff"
    )  # fmt: skip
    message = _bootp(2, xid, own, address, server) + options
    return _frame(_mac(server_mac), own, server, address, 67, 68, message)


def parse(frame: bytes) -> Sighting | None:
    """The DHCP message in an Ethernet frame, behind VLAN tags and one tunnel; None when there is none.

    Fragments are not put together: the first one holds what is read here.
    """
    try:
        return _in_frame(frame)
    except (struct.error, IndexError, ValueError):
        # Cut off: what is not there can't be read.
        return None


def _in_frame(frame: bytes, vni: int | None = None, tunnel_to: str = "") -> Sighting | None:
    vlans, at = [], 12
    (kind,) = struct.unpack_from("!H", frame, at)
    while kind in _TAGS:
        tag, kind = struct.unpack_from("!HH", frame, at + 2)
        vlans.append(tag & 0xFFF)
        at += 4
    udp = _udp(frame, kind, at + 2)
    if udp is None:
        return None
    source, destination = struct.unpack_from("!HH", frame, udp)
    if {source, destination} <= {67, 68}:
        found = _message(frame, udp + 8)
        return replace(found, vlans=tuple(vlans), vni=vni, tunnel_to=tunnel_to) if found else None
    if vni is None and destination in TUNNEL_PORTS:
        inner = udp + 16
        if destination == _GENEVE:
            inner += 4 * (frame[udp + 8] & 0x3F)
        (number,) = struct.unpack_from("!I", frame, udp + 12)
        to = frame[at + 2 + 16 : at + 2 + 20] if kind == 0x0800 else frame[at + 2 + 24 : at + 2 + 40]
        return _in_frame(frame[inner:], number >> 8, str(ipaddress.ip_address(to)))
    return None


def _udp(frame: bytes, kind: int, at: int) -> int | None:
    """Where the UDP header is."""
    if kind == 0x0800 and frame[at + 9] == 17 and not struct.unpack_from("!H", frame, at + 6)[0] & 0x1FFF:
        return at + 4 * (frame[at] & 0xF)
    if kind == 0x86DD and frame[at + 6] == 17:
        return at + 40
    return None


def _message(frame: bytes, at: int) -> Sighting | None:
    op, _type, length, _hops, xid = struct.unpack_from("!BBBBI", frame, at)
    if op not in (1, 2) or length != 6 or frame[at + 236 : at + 240] != _MAGIC:
        return None
    options = _options(frame[at + 240 :])
    kind = options.get(53, b"")
    named = options.get(54, b"")
    offered = frame[at + 16 : at + 20]
    return Sighting(
        request=op == 1,
        kind=_KINDS.get(kind[0], "") if kind else "",
        xid=xid,
        chaddr=_text(frame[at + 28 : at + 34]),
        source=_text(frame[6:12]),
        destination=_text(frame[0:6]),
        address=str(ipaddress.IPv4Address(offered)) if any(offered) else "",
        server=str(ipaddress.IPv4Address(named)) if len(named) == 4 else "",
    )


def _options(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + 1 < len(data) and data[at] != 0xFF:
        if data[at] == 0:
            at += 1
            continue
        found.setdefault(data[at], data[at + 2 : at + 2 + data[at + 1]])
        at += 2 + data[at + 1]
    return found


def _bootp(op: int, xid: int, mac: bytes, address: str, server: str) -> bytes:
    nobody = bytes(4)
    return _BOOTP.pack(op, 1, 6, 0, xid, 0, 0, nobody, _ip(address), _ip(server), nobody, mac, b"", b"", _MAGIC)


def _frame(
    source: bytes, destination: bytes, source_ip: str, destination_ip: str, source_port: int, port: int, message: bytes
) -> bytes:
    payload = message.ljust(_SHORTEST, b"\0")
    length = 8 + len(payload)
    ends = _ip(source_ip) + _ip(destination_ip)
    udp = struct.pack("!HHHH", source_port, port, length, 0) + payload
    # A checksum of 0 would mean "none" (RFC 768).
    total = _checksum(ends + struct.pack("!HH", 17, length) + udp) or 0xFFFF
    udp = udp[:6] + struct.pack("!H", total) + udp[8:]
    head = struct.pack("!BBHHHBBH", 0x45, 0x10, 20 + length, secrets.randbelow(1 << 16), 0, 64, 17, 0) + ends
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    return destination + source + b"\x08\x00" + head + udp


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _mac(text: str) -> bytes:
    parts = text.replace("-", ":").split(":")
    if len(parts) != 6 or any(len(p) != 2 for p in parts):
        raise ValueError(f"no MAC address: {text!r}")
    return bytes(int(p, 16) for p in parts)


def _ip(text: str) -> bytes:
    return ipaddress.IPv4Address(text).packed


def _text(mac: bytes) -> str:
    return mac.hex(":")
