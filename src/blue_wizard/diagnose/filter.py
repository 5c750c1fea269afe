"""The kernel's filter for a capture: classic BPF that passes one guest's DHCP messages, behind VLAN tags and in tunnels. Pure.

The instructions are those of ``linux/filter.h``; the offsets are RFC 791, 768, 2131 (chaddr at 28, magic cookie at 236), 7348 and
8926. A tag that the kernel has already taken off the frame (``PACKET_AUXDATA``) is not in what the filter sees.
"""

from __future__ import annotations

from collections.abc import Sequence

from blue_wizard.facts.dhcp import TUNNEL_PORTS

__all__ = ["Instruction", "dhcp_filter"]

Instruction = tuple[int, int, int, int]
"""code, jump if true, jump if false, k"""

# ld/ldh/ldb [x + k] and [k]; the rest works on A, X and k.
_LOAD_W, _LOAD_H, _LOAD_B = 0x40, 0x48, 0x50
_ADD_K, _ADD_X, _AND_K, _SHIFT_LEFT_K = 0x04, 0x0C, 0x54, 0x64
_TO_X, _FROM_X = 0x07, 0x87
_JUMP, _EQUAL, _ANY_BIT = 0x05, 0x15, 0x45
_RETURN = 0x06
_LOAD_X = 0x01

_WHOLE = 0x40000
_TAGS = (0x8100, 0x88A8, 0x9100)
_GENEVE = 6081
_UDP, _IPV4, _IPV6 = 17, 0x0800, 0x86DD


class _Program:
    """Instructions whose jumps name labels. There are only forward jumps in classic BPF."""

    def __init__(self) -> None:
        self._code: list[tuple[int, str, str, int]] = []
        self._labels: dict[str, int] = {}

    def add(self, code: int, k: int = 0) -> None:
        self._code.append((code, "", "", k))

    def label(self, name: str) -> None:
        self._labels[name] = len(self._code)

    def test(self, code: int, k: int, true: str = "", false: str = "") -> None:
        """Jump to a label; "" goes on with the next instruction."""
        self._code.append((code, true, false, k))

    def jump(self, to: str) -> None:
        self._code.append((_JUMP, to, "", 0))

    def made(self) -> list[Instruction]:
        """The instructions. Raises ValueError for a jump that classic BPF can't make (over 255)."""
        done: list[Instruction] = []
        for at, (code, true, false, k) in enumerate(self._code):
            if code == _JUMP:
                done.append((code, 0, 0, self._labels[true] - at - 1))
                continue
            jumps = [self._labels[n] - at - 1 if n else 0 for n in (true, false)]
            if not all(0 <= j <= 255 for j in jumps):
                raise ValueError(f"a jump of {jumps} instructions")
            done.append((code, jumps[0], jumps[1], k))
        return done


def dhcp_filter(mac: str | None, *, tunnel: bool = False, ports: Sequence[int] = TUNNEL_PORTS) -> list[Instruction]:
    """Passes DHCP messages whose chaddr is `mac` (None: anybody's), whole; nothing else.

    `tunnel`: also those inside VXLAN and Geneve over IPv4 and IPv6, to the UDP ports given. Raises ValueError for a MAC address
    that is none.
    """
    address = bytes.fromhex(mac.replace(":", "").replace("-", "")) if mac else None
    if address is not None and len(address) != 6:
        raise ValueError(f"no MAC address: {mac!r}")
    p = _Program()
    p.add(_LOAD_X, 0)
    _frame(p, "outer", address, tuple(ports) if tunnel else ())
    if tunnel:
        p.label("geneve")
        # Its options have 4 bytes each (RFC 8926, 3.4).
        p.add(_LOAD_B, 8)
        p.add(_AND_K, 0x3F)
        p.add(_SHIFT_LEFT_K, 2)
        p.add(_ADD_X)
        p.add(_TO_X)
        p.label("vxlan")
        p.add(_FROM_X)
        p.add(_ADD_K, 16)
        p.add(_TO_X)
        _frame(p, "inner", address, ())
    p.label("pass")
    p.add(_RETURN, _WHOLE)
    p.label("drop")
    p.add(_RETURN, 0)
    return p.made()


def _frame(p: _Program, name: str, mac: bytes | None, tunnels: Sequence[int]) -> None:
    """The frame that begins at X."""
    for depth in range(2):
        p.add(_LOAD_H, 12)
        for tag in _TAGS:
            p.test(_EQUAL, tag, true=f"{name} tag {depth}")
        p.jump(f"{name} type")
        p.label(f"{name} tag {depth}")
        p.add(_FROM_X)
        p.add(_ADD_K, 4)
        p.add(_TO_X)
    p.label(f"{name} type")
    p.add(_LOAD_H, 12)
    p.test(_EQUAL, _IPV4, true=f"{name} ip4")
    p.test(_EQUAL, _IPV6, true=f"{name} ip6" if tunnels else "drop", false="drop")
    if tunnels:
        p.label(f"{name} ip6")
        p.add(_LOAD_B, 14 + 6)
        p.test(_EQUAL, _UDP, false="drop")
        p.add(_FROM_X)
        p.add(_ADD_K, 14 + 40)
        p.jump(f"{name} udp")
    p.label(f"{name} ip4")
    p.add(_LOAD_B, 14 + 9)
    p.test(_EQUAL, _UDP, false="drop")
    p.add(_LOAD_H, 14 + 6)
    # Later fragments have no UDP header.
    p.test(_ANY_BIT, 0x1FFF, true="drop")
    p.add(_LOAD_B, 14)
    p.add(_AND_K, 0xF)
    p.add(_SHIFT_LEFT_K, 2)
    p.add(_ADD_X)
    p.add(_ADD_K, 14)
    p.label(f"{name} udp")
    p.add(_TO_X)
    p.add(_LOAD_H, 2)
    p.test(_EQUAL, 67, true=f"{name} dhcp")
    p.test(_EQUAL, 68, true=f"{name} dhcp")
    for port in tunnels:
        p.test(_EQUAL, port, true="geneve" if port == _GENEVE else "vxlan")
    p.jump("drop")
    p.label(f"{name} dhcp")
    p.add(_LOAD_W, 8 + 236)
    p.test(_EQUAL, 0x63825363, false="drop")
    if mac is not None:
        p.add(_LOAD_W, 8 + 28)
        p.test(_EQUAL, int.from_bytes(mac[:4], "big"), false="drop")
        p.add(_LOAD_H, 8 + 32)
        p.test(_EQUAL, int.from_bytes(mac[4:], "big"), false="drop")
    p.jump("pass")
