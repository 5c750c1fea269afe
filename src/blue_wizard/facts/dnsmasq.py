"""Neutron's dnsmasq: its command line, and the file of the addresses that it may give."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Reservation", "listens_on", "parse_hosts", "ranges"]


@dataclass(frozen=True)
class Reservation:
    """One line of the hosts file: this MAC gets this address."""

    mac: str
    address: str
    name: str = ""


def parse_hosts(text: str) -> list[Reservation]:
    """``--dhcp-hostsfile``: ``MAC[,set:TAG|id:...],NAME,ADDRESS[,set:...]``. IPv6 addresses stand in brackets."""
    found = []
    for line in text.splitlines():
        words = [w.strip() for w in line.split(",")]
        if not re.fullmatch(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}", words[0]):
            continue
        rest = [w for w in words[1:] if not w.startswith(("set:", "id:", "tag:"))]
        address = next((w.strip("[]") for w in rest if _is_address(w.strip("[]"))), "")
        name = next((w for w in rest if not _is_address(w.strip("[]"))), "")
        found.append(Reservation(words[0].lower(), address, name))
    return found


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def ranges(argv: Sequence[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """The networks of all ``--dhcp-range`` options."""
    found = []
    for word in argv:
        if word.startswith("--dhcp-range="):
            parts = [p for p in word.partition("=")[2].split(",") if not p.startswith(("set:", "tag:"))]
            mask = next((p for p in parts[1:] if re.fullmatch(r"255[.0-9]+|\d{1,3}", p) and p != "static"), "")
            if parts and _is_address(parts[0]):
                found.append(ipaddress.ip_network(f"{parts[0]}/{mask}" if mask else parts[0], strict=False))
    return found


def listens_on(udp: str, port: int = 67) -> bool:
    """Whether a socket is bound to the UDP port, by ``/proc/net/udp``."""
    return any(line.split()[1].endswith(f":{port:04X}") for line in udp.splitlines()[1:] if len(line.split()) > 1)
