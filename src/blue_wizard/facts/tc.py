"""tc filters as ``tc -s filter show`` prints them, and what becomes of one frame in them.

Judged are classic BPF (run here as the kernel would), u32 and flower. What else decides over packets is named as doubtful.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

__all__ = ["Filtered", "judge", "run_bpf"]

_SHOT = 2
_UNSPEC = 0xFFFFFFFF


@dataclass(frozen=True)
class Filtered:
    """What filters do with a frame. `by` is the one that drops it ("": none does); `doubt` are those that nobody here can judge."""

    by: str = ""
    doubt: tuple[str, ...] = ()


def judge(text: str, frame: bytes) -> Filtered:
    """Follow an Ethernet frame (IPv4, without a tag) through the filters of one side of a device."""
    doubt: list[str] = []
    for one in _filters(text):
        drops = bool(re.search(r"gact action (drop|shot)", one))
        program = re.search(r"bytecode '([^']+)'", one)
        if program:
            result = run_bpf(program[1], frame)
            if "direct-action" in one:
                if result == _SHOT:
                    return Filtered(_short(one), tuple(doubt))
                if result != _UNSPEC:
                    return Filtered("", tuple(doubt))
            elif result and drops:
                return Filtered(_short(one), tuple(doubt))
        elif " bpf " in one and ("direct-action" in one or drops):
            doubt.append(_short(one))
        elif drops and " u32 " in one:
            if _u32(one, frame):
                return Filtered(_short(one), tuple(doubt))
        elif drops and " flower " in one:
            if _flower(one, frame):
                return Filtered(_short(one), tuple(doubt))
        elif drops and re.search(r" (matchall|basic) ", one):
            if " basic " in one and "meta" in one:
                doubt.append(_short(one))
            else:
                return Filtered(_short(one), tuple(doubt))
        elif drops:
            doubt.append(_short(one))
    return Filtered("", tuple(doubt))


def _filters(text: str) -> list[str]:
    """The filters with their actions, one text each; heads that hold nothing (of tables and chains) are left out."""
    parts = re.split(r"(?m)^(?=filter )", text)
    return [" ".join(p.split()) + " " for p in parts if re.search(r"action|bytecode|\bid \d+", p)]


def _short(text: str) -> str:
    return text.strip()[:200]


def _u32(text: str, frame: bytes) -> bool:
    packet = frame[14:]
    for value, mask, base, offset in re.findall(r"match ([0-9a-f]{8})/([0-9a-f]{8}) at (nexthdr\+)?(-?\d+)", text):
        at = int(offset) + ((packet[0] & 15) * 4 if base else 0)
        found = struct.unpack_from(
            "!I", (b"\0" * 14 + packet if at < 0 else packet) + b"\0" * 4, at + (14 if at < 0 else 0)
        )[0]
        if found & int(mask, 16) != int(value, 16):
            return False
    return True


def _flower(text: str, frame: bytes) -> bool:
    packet = frame[14:]
    udp = packet[(packet[0] & 15) * 4 :]
    known = {
        "eth_type": {"ipv4"},
        "ip_proto": {"udp"},
        "src_port": {str(struct.unpack_from("!H", udp)[0])},
        "dst_port": {str(struct.unpack_from("!H", udp, 2)[0])},
        "dst_mac": {frame[:6].hex(":")},
        "src_mac": {frame[6:12].hex(":")},
        "src_ip": {".".join(map(str, packet[12:16]))},
        "dst_ip": {".".join(map(str, packet[16:20]))},
    }
    return all(value in known[key] for key, value in re.findall(r"\b(\w+) (\S+)", text) if key in known)


def run_bpf(program: str, frame: bytes) -> int:
    """Run classic BPF, given as tc writes it (``N,code jt jf k,...``); what it returns. A load beyond the frame ends it with 0.

    Instructions as in Linux, include/uapi/linux/bpf_common.h. Raises ValueError or KeyError for text that is no program.
    """
    parts = [p for p in program.strip().rstrip(",").split(",") if p]
    code = [tuple(int(n) for n in p.split()) for p in parts[1:]]
    if not parts[0].strip().isdigit() or any(len(c) != 4 for c in code):
        raise ValueError(f"no BPF program: {program}")
    a = x = at = 0
    memory = [0] * 16
    while 0 <= at < len(code):
        op, yes, no, k = code[at]
        at += 1
        kind, mode, source = op & 7, op & 0xE0, x if op & 8 else k
        if kind in {0, 1}:
            size = {0x00: 4, 0x08: 2, 0x10: 1}.get(op & 0x18, 4)
            where = k if mode == 0x20 else k + x
            if mode in {0x20, 0x40} and where + size > len(frame):
                return 0
            value = _load(mode, k, where, size, frame, memory)
            a, x = (value, x) if kind == 0 else (a, value)
        elif kind in {2, 3}:
            memory[k & 15] = a if kind == 2 else x
        elif kind == 4:
            a = _alu(op & 0xF0, a, source)
        elif kind == 5:
            test = {0x00: True, 0x10: a == source, 0x20: a > source, 0x30: a >= source, 0x40: bool(a & source)}[
                op & 0xF0
            ]
            at += k if op & 0xF0 == 0 else yes if test else no
        elif kind == 6:
            return a if op & 0x18 == 0x10 else x if op & 0x18 == 0x08 else k
        else:
            a, x = (a, a) if op & 0xF8 == 0 else (x, x)
    raise ValueError(f"no end: {program}")


def _load(mode: int, k: int, where: int, size: int, frame: bytes, memory: list[int]) -> int:
    if mode in {0x20, 0x40}:
        return int.from_bytes(frame[where : where + size], "big")
    if mode == 0xA0:
        return (frame[k] & 15) * 4 if k < len(frame) else 0
    return {0x00: k, 0x60: memory[k & 15], 0x80: len(frame)}[mode]


def _alu(op: int, a: int, b: int) -> int:
    found = {
        0x00: a + b,
        0x10: a - b,
        0x20: a * b,
        0x30: a // b if b else 0,
        0x40: a | b,
        0x50: a & b,
        0x60: a << b if b < 32 else 0,
        0x70: a >> b if b < 32 else 0,
        0x80: -a,
        0x90: a % b if b else 0,
        0xA0: a ^ b,
    }[op]
    return found & 0xFFFFFFFF
