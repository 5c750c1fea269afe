"""Flow tables and ports of a bridge, as ``ovs-ofctl --no-names`` prints them (OpenFlow 1.0 or 1.3 words)."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Flow", "local_vlan", "outputs", "parse_flows", "parse_port_configs", "tunnel_id"]


@dataclass(frozen=True)
class Flow:
    """One flow. `match` holds the fields, those without a value (``ip``, ``udp``) with an empty one."""

    table: int
    priority: int
    match: dict[str, str]
    actions: str
    cookie: int = 0
    packets: int = 0
    duration_s: float = 0.0

    @property
    def drops(self) -> bool:
        """True when a packet that meets this flow ends here."""
        return self.actions in {"drop", ""}

    def text(self) -> str:
        """The flow as one writes it."""
        fields = ",".join(f"{k}={v}" if v else k for k, v in self.match.items())
        return f"table={self.table},priority={self.priority}{',' + fields if fields else ''} actions={self.actions}"


_NOT_MATCH = {"cookie", "duration", "table", "n_packets", "n_bytes", "idle_age", "hard_age", "idle_timeout",
              "hard_timeout", "priority", "send_flow_rem", "check_overlap", "importance", "reset_counts"}  # fmt: skip


def parse_flows(text: str) -> list[Flow]:
    """``ovs-ofctl dump-flows``."""
    found = []
    for line in text.splitlines():
        head, mark, actions = line.strip().partition("actions=")
        if not mark or "n_packets=" not in head:
            continue
        fields: dict[str, str] = {}
        for part in re.split(r",\s*|\s+", head.strip().rstrip(",")):
            key, _eq, value = part.partition("=")
            if key:
                fields[key] = value
        found.append(
            Flow(
                int(fields.get("table", "0")),
                int(fields.get("priority", "32768")),
                {k: v for k, v in fields.items() if k not in _NOT_MATCH},
                actions.strip(),
                int(fields.get("cookie", "0"), 16),
                int(fields["n_packets"]),
                float(fields.get("duration", "0s").rstrip("s")),
            )
        )
    return found


def parse_port_configs(text: str) -> dict[str, tuple[str, ...]]:
    """``ovs-ofctl show`` or ``dump-ports-desc``: the flags in each port's ``config`` (``NO_FWD`` ...) by its name."""
    found: dict[str, tuple[str, ...]] = {}
    name = ""
    for line in text.splitlines():
        if head := re.match(r"\s*(?:\d+|LOCAL)\((\S+)\):", line):
            name = head[1]
        elif name and (config := re.match(r"\s+config:\s+(.*)", line)):
            found[name] = tuple(w for w in config[1].split() if not w.isdigit())
    return found


def outputs(actions: str) -> set[int]:
    """The OpenFlow ports that an action list sends to directly."""
    return {int(n) for n in re.findall(r"(?:^|,)output:(\d+)", actions)}


def tunnel_id(actions: str) -> int | None:
    """The tunnel id that an action list sets."""
    found = re.search(r"(?:set_field:(0x[0-9a-f]+|\d+)->tun_id|load:(0x[0-9a-f]+|\d+)->NXM_NX_TUN_ID)", actions)
    return int(found[1] or found[2], 0) if found else None


def local_vlan(actions: str) -> int | None:
    """The VLAN that an action list sets (``mod_vlan_vid:5`` and ``set_field:4101->vlan_vid`` are both VLAN 5)."""
    if found := re.search(r"mod_vlan_vid:(\d+)", actions):
        return int(found[1])
    if found := re.search(r"set_field:(0x[0-9a-f]+|\d+)(?:/0x[0-9a-f]+)?->vlan_vid", actions):
        return int(found[1], 0) & 0xFFF
    return None
