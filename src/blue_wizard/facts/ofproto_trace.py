"""What ``ovs-appctl ofproto/trace`` says: the flows that a packet meets, and the datapath actions that come of them.

Only the datapath actions tell whether a packet leaves: flooding also runs into flows that drop, and this is healthy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Output", "Step", "Trace", "parse_trace"]


@dataclass(frozen=True)
class Output:
    """A packet that leaves the datapath: by the port (name, or number), with this VLAN tag, or in a tunnel."""

    port: str
    vlan: int | None = None
    tunnel_to: str | None = None
    tunnel_id: int | None = None


@dataclass(frozen=True)
class Step:
    """One flow that was met, in `bridge`; its actions; what the switch remarks (lines with ``>>`` or ``->``)."""

    bridge: str
    table: int
    match: str
    priority: int | None
    actions: tuple[str, ...]
    remarks: tuple[str, ...]
    cookie: int = 0

    @property
    def drops(self) -> bool:
        """True when the packet ends here."""
        return "drop" in self.actions or self.priority is None

    def text(self) -> str:
        """One line for people."""
        rule = (
            f"priority={self.priority}{',' + self.match if self.match else ''}"
            if self.priority is not None
            else "no match"
        )
        return f"{self.bridge} table={self.table} {rule} -> {', '.join(self.actions)}"


@dataclass(frozen=True)
class Trace:
    """A whole trace. `remarks` are those outside of any step (a port that takes no such packet)."""

    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]
    remarks: tuple[str, ...]
    actions: str
    into_tunnel_port: bool = False
    """True when the packet is taken for one that comes out of a tunnel (``tnl_pop``)."""

    def step(self, bridge: str, table: int) -> Step | None:
        """The first step of that table in that bridge."""
        return next((s for s in self.steps if s.bridge == bridge and s.table == table), None)

    def to_controller(self, opcode: int) -> bool:
        """Whether the packet is handed to OVN's controller for an action of that number (the first four bytes of ``userdata``)."""
        head = ".".join(f"{byte:02x}" for byte in opcode.to_bytes(4, "big"))
        return any(a.startswith(f"controller(userdata={head}") for s in self.steps for a in s.actions)

    def bridges(self) -> list[str]:
        """The bridges that the packet was in, in order."""
        return list(dict.fromkeys(s.bridge for s in self.steps))


_BRIDGE = re.compile(r'^(\s*)bridge\("(.+?)"\)')
_STEP = re.compile(r"^\s*(\d+)\. (.*)$")
_RULE = re.compile(r"^(?:(.*?), )?priority (\d+)(?:, cookie (0x[0-9a-f]+))?.*$")


def parse_trace(text: str) -> Trace:
    """The output of one trace (with or without ``--names``)."""
    steps: list[Step] = []
    remarks: list[str] = []
    bridges: list[tuple[int, str]] = []
    current: dict[str, list[str]] | None = None
    head: tuple[str, int, str, int | None, int] | None = None

    def close() -> None:
        nonlocal head, current
        if head is not None and current is not None:
            bridge, table, match, priority, cookie = head
            steps.append(
                Step(bridge, table, match, priority, tuple(current["actions"]), tuple(current["remarks"]), cookie)
            )
        head, current = None, None

    actions = ""
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or set(stripped) == {"-"}:
            continue
        if stripped.startswith(
            ("Flow:", "Final flow:", "Megaflow:", "The packet", "recirc(", "=====", "Recirculation")
        ):
            close()
            continue
        if stripped.startswith("Datapath actions:"):
            close()
            found = stripped.partition(":")[2].strip()
            # After a recirculation the last word counts; what left before it left too.
            actions = found if not actions else f"{actions},{found}"
            continue
        if stripped.startswith("Resuming from table"):
            # The headline is the bridge by which the packet came in, not the one that sent it to connection tracking.
            tracked = [step.bridge for step in steps if any(a.startswith("ct(") for a in step.actions)]
            bridges[:] = [(0, tracked[-1])] if tracked else bridges
            continue
        if at := _BRIDGE.match(line):
            close()
            indent = len(at[1])
            while bridges and bridges[-1][0] >= indent:
                bridges.pop()
            bridges.append((indent, at[2]))
            continue
        if rule := _STEP.match(line):
            close()
            known = _RULE.match(rule[2])
            bridge = bridges[-1][1] if bridges else ""
            if known:
                head = (bridge, int(rule[1]), known[1] or "", int(known[2]), int(known[3] or "0", 16))
            else:
                head = (bridge, int(rule[1]), "", None, 0)
            current = {"actions": [] if known else ["drop"], "remarks": []}
            continue
        if stripped.startswith((">>", "->")):
            (current["remarks"] if current else remarks).append(stripped.lstrip("->").strip().rstrip("<").strip())
        elif current is not None:
            current["actions"].append(stripped)
    close()
    outputs = _outputs(actions)
    return Trace(tuple(steps), outputs, tuple(remarks), actions, "tnl_pop(" in actions)


def _split(text: str) -> list[str]:
    """The words of an action list; commas in brackets do not part them."""
    words, depth, word = [], 0, ""
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            words.append(word)
            word = ""
        else:
            word += char
    return [w.strip() for w in [*words, word] if w.strip()]


def _outputs(actions: str) -> tuple[Output, ...]:
    found: list[Output] = []
    _walk(actions, [], (None, None), found)
    return tuple(found)


def _walk(text: str, tags: list[int], tunnel: tuple[str | None, int | None], found: list[Output]) -> None:
    for word in _split(text):
        name, _bracket, inside = word.partition("(")
        inside = inside.removesuffix(")")
        if name == "push_vlan":
            tags.append(int(re.search(r"vid=(\d+)", inside)[1]))  # type: ignore[index]
        elif name == "pop_vlan":
            if tags:
                tags.pop()
        elif name == "set" and inside.startswith("vlan("):
            if vid := re.search(r"vid=(\d+)", inside):
                tags[-1:] = [int(vid[1])]
        elif (name == "set" and inside.startswith("tunnel(")) or name == "tnl_push":
            tunnel = _tunnel(inside)
        elif name in {"clone", "sample", "check_pkt_len"}:
            _walk(inside, list(tags), tunnel, found)
        elif name in {"drop", "tnl_pop", "ct", "recirc", "hash", "trunc", "userspace", "ct_clear", "set", "meter", ""}:
            continue
        elif not _bracket or name == "output":
            found.append(Output((inside if name == "output" else name).strip('"'), tags[-1] if tags else None, *tunnel))


def _tunnel(text: str) -> tuple[str | None, int | None]:
    key = re.search(r"(?:tun_id|vni)=(0x[0-9a-f]+|\d+)", text)
    to = re.search(r"ipv[46]\(src=[^,]+,dst=([^,)]+)", text) or re.search(
        r"tunnel\(.*?(?<![a-z_])(?:ipv6_)?dst=([^,)]+)", text
    )
    return (to[1] if to else None, int(key[1], 0) if key else None)
