"""What a frame is put into on its way: tags and tunnels, for the tests of those who look inside."""

from __future__ import annotations

import struct

_ETHERNET = bytes.fromhex("02aa0000000102aa00000002")


def tagged(frame: bytes, vlan: int, kind: int = 0x8100) -> bytes:
    """With a tag in front of those that are there."""
    return frame[:12] + struct.pack("!HH", kind, vlan) + frame[12:]


def in_vxlan(frame: bytes, vni: int, port: int = 4789) -> bytes:
    return over_ip4(struct.pack("!HHHHBxxxI", 50000, port, 16 + len(frame), 0, 8, vni << 8) + frame)


def in_geneve(frame: bytes, vni: int, options: bytes = b"") -> bytes:
    head = struct.pack("!BBHI", len(options) // 4, 0, 0x6558, vni << 8)
    body = head + options + frame
    return over_ip4(struct.pack("!HHHH", 50000, 6081, 8 + len(body), 0) + body)


def over_ip4(udp: bytes, *, options: bytes = b"", fragment: int = 0) -> bytes:
    words = 5 + len(options) // 4
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x40 | words, 0, words * 4 + len(udp), 7, fragment, 64, 17, 0, b"\x0a" * 4, b"\x0b" * 4
    )
    return _ETHERNET + b"\x08\x00" + head + options + udp


def over_ip6(udp: bytes) -> bytes:
    return (
        _ETHERNET
        + b"\x86\xdd"
        + struct.pack("!IHBB16s16s", 6 << 28, len(udp), 17, 64, b"\x01" * 16, b"\x02" * 16)
        + udp
    )


def udp_of(frame: bytes) -> bytes:
    """The UDP datagram of an untagged IPv4 frame without options."""
    return frame[34:]
