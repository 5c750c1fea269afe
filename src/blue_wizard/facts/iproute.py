"""Links and addresses of a host or a namespace, as ``ip -j`` gives them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Link", "parse_addresses", "parse_links"]


@dataclass(frozen=True)
class Link:
    """One network device. `up`: a person or program switched it on; `carrier`: something is at its other end."""

    name: str
    up: bool
    carrier: bool
    operstate: str
    mtu: int
    mac: str
    kind: str = ""
    master: str = ""
    peer: str = ""
    port_state: str = ""
    """As port of a Linux bridge: ``forwarding``, ``blocking`` ..."""
    port_flags: dict[str, Any] = field(default_factory=dict)
    """As port of a Linux bridge: ``isolated``, ``bcast_flood``, ``flood``, ``locked`` ..."""
    info: dict[str, Any] = field(default_factory=dict)
    """What the device's kind says of itself (``vlan_filtering`` of a bridge)."""
    rx_packets: int = 0
    tx_packets: int = 0
    tx_dropped: int = 0
    rx_dropped: int = 0
    xdp: bool = False


def parse_links(text: str) -> dict[str, Link]:
    """``ip -j -d -s link``. Raises ValueError for other text."""
    found = {}
    for row in json.loads(text):
        if "ifname" not in row:
            continue
        flags = set(row.get("flags", ()))
        kind = row.get("linkinfo", {})
        stats = row.get("stats64", row.get("stats", {}))
        found[row["ifname"]] = Link(
            row["ifname"],
            "UP" in flags,
            "LOWER_UP" in flags,
            row.get("operstate", ""),
            row.get("mtu", 0),
            row.get("address", ""),
            kind.get("info_kind", ""),
            row.get("master", ""),
            row.get("link", "") or "",
            kind.get("info_slave_data", {}).get("state", ""),
            kind.get("info_slave_data", {}),
            kind.get("info_data", {}) or {},
            stats.get("rx", {}).get("packets", 0),
            stats.get("tx", {}).get("packets", 0),
            stats.get("tx", {}).get("dropped", 0),
            stats.get("rx", {}).get("dropped", 0),
            "xdp" in row,
        )
    return found


def parse_addresses(text: str) -> dict[str, tuple[str, ...]]:
    """``ip -j addr``: the IPv4 and IPv6 addresses (without prefix) by device. Raises ValueError for other text."""
    return {
        row["ifname"]: tuple(a["local"] for a in row.get("addr_info", ()) if "local" in a)
        for row in json.loads(text)
        if "ifname" in row
    }
