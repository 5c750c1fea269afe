"""Rules as ``iptables-save -c`` prints them, and what becomes of one packet in them."""

from __future__ import annotations

import ipaddress
import re
import shlex
from dataclasses import dataclass, field

__all__ = ["Chain", "Fate", "Packet", "Rule", "Tables", "follow", "parse_save", "within"]


@dataclass(frozen=True)
class Rule:
    """One rule. `packets` is its counter; `text` the rule as one would append it."""

    chain: str
    words: tuple[str, ...]
    target: str
    packets: int = 0

    @property
    def text(self) -> str:
        """The rule as ``iptables`` takes it."""
        return f"-A {self.chain} {shlex.join(self.words)}".strip()

    @property
    def comment(self) -> str:
        """Its comment."""
        at = self.words.index("--comment") if "--comment" in self.words else -1
        return self.words[at + 1] if at >= 0 else ""


@dataclass
class Chain:
    """A chain; `policy` is ACCEPT or DROP of a built-in one, "" of another."""

    name: str
    policy: str = ""
    packets: int = 0
    rules: list[Rule] = field(default_factory=list)


Tables = dict[str, dict[str, Chain]]
"""Chains by table (``filter``, ``raw`` ...) and name."""


def parse_save(text: str) -> Tables:
    """``iptables-save`` with or without ``-c``."""
    tables: Tables = {}
    chains: dict[str, Chain] = {}
    for line in text.splitlines():
        if line.startswith("*"):
            chains = tables.setdefault(line[1:].strip(), {})
        elif head := re.match(r":(\S+) (\S+)(?: \[(\d+):\d+\])?", line):
            policy = "" if head[2] == "-" else head[2]
            chains[head[1]] = Chain(head[1], policy, int(head[3] or 0))
        elif rule := re.match(r"(?:\[(\d+):\d+\] )?-A (\S+) ?(.*)", line):
            words = tuple(shlex.split(rule[3]))
            target = next((words[i + 1] for i, w in enumerate(words[:-1]) if w in {"-j", "-g"}), "")
            chains.setdefault(rule[2], Chain(rule[2])).rules.append(Rule(rule[2], words, target, int(rule[1] or 0)))
    return tables


def within(tables: Tables, table: str, chain: str) -> list[Rule]:
    """All rules that a packet may meet in a built-in chain and in those that it leads to."""
    chains = tables.get(table, {})
    names = [chain]
    # The list grows while it is gone through.
    for name in names:
        targets = dict.fromkeys(r.target for r in chains[name].rules) if name in chains else ()
        names += [t for t in targets if t in chains and t not in names]
    return [r for name in names if name in chains for r in chains[name].rules]


@dataclass(frozen=True)
class Packet:
    """A UDP packet on its way through a bridge or a host. A name of "" is a device that it does not touch."""

    source: str
    destination: str
    source_port: int
    destination_port: int
    device_in: str = ""
    device_out: str = ""
    bridge_in: str = ""
    """The bridge port by which it came (``physdev-in``); `device_in` is the bridge itself then."""
    bridge_out: str = ""
    mac: str = ""
    state: str = "NEW"
    protocol: str = "udp"


@dataclass(frozen=True)
class Fate:
    """What becomes of a packet. `rule` decided (None: the chain's policy); `doubt` are matches that nobody here can judge."""

    accepted: bool
    chain: str
    rule: Rule | None = None
    doubt: tuple[str, ...] = ()
    path: tuple[str, ...] = ()


_ACCEPT, _DROP = {"ACCEPT"}, {"DROP", "REJECT"}


def follow(tables: Tables, table: str, chain: str, packet: Packet) -> Fate:
    """Follow a packet through a built-in chain. A match that can't be judged counts as none, and is named in `doubt`."""
    chains = tables.get(table, {})
    doubt: list[str] = []
    path: list[str] = []

    def walk(name: str, depth: int) -> tuple[str, Rule | None, str]:
        path.append(name)
        for rule in chains[name].rules if name in chains else ():
            meets = _meets(rule, packet)
            if meets is None:
                doubt.append(rule.text)
                continue
            if not meets:
                continue
            if rule.target in _ACCEPT:
                return "accept", rule, name
            if rule.target in _DROP:
                return "drop", rule, name
            if rule.target == "RETURN":
                return "return", rule, name
            if rule.target in chains and depth < 32:
                verdict, by, where = walk(rule.target, depth + 1)
                if verdict != "return":
                    return verdict, by, where
        return "return", None, name

    verdict, by, where = walk(chain, 0)
    if verdict == "return":
        policy = chains[chain].policy if chain in chains else "ACCEPT"
        return Fate(policy != "DROP", chain, None, tuple(doubt), tuple(path))
    return Fate(verdict == "accept", where, by, tuple(doubt), tuple(path))


_SILENT = {"comment", "udp", "tcp", "icmp"}


def _meets(rule: Rule, packet: Packet) -> bool | None:
    """True, False, or None when a match is not known here."""
    words = iter(rule.words)
    negate = False
    sure: bool | None = True
    for word in words:
        if word == "!":
            negate = True
            continue
        judged: bool | None
        if word in {"-j", "-g"}:
            break
        if word in {"--physdev-is-bridged"}:
            judged = bool(packet.bridge_in and packet.bridge_out)
        elif word in {"-m"}:
            next(words, "")
            continue
        else:
            value = next(words, "")
            if word == "--comment":
                continue
            judged = _field(word, value, packet)
        if judged is not None and negate:
            judged = not judged
        negate = False
        if judged is False:
            return False
        if judged is None:
            sure = None
    return sure


def _field(word: str, value: str, p: Packet) -> bool | None:
    if word == "-p":
        return value in {p.protocol, "all", "17" if p.protocol == "udp" else ""}
    if word in {"-s", "-d"}:
        address = p.source if word == "-s" else p.destination
        return ipaddress.ip_address(address) in ipaddress.ip_network(value, strict=False)
    if word in {"--sport", "--dport", "--source-port", "--destination-port", "--dports", "--sports", "--ports"}:
        port = p.source_port if word in {"--sport", "--source-port", "--sports"} else p.destination_port
        return any(_in_range(port, part) for part in value.split(","))
    devices = {"-i": p.device_in, "-o": p.device_out, "--physdev-in": p.bridge_in, "--physdev-out": p.bridge_out}
    if word in devices:
        return devices[word] == value or (value.endswith("+") and devices[word].startswith(value[:-1]))
    if word == "--mac-source":
        return p.mac.lower() == value.lower()
    if word in {"--state", "--ctstate"}:
        return p.state in value.split(",")
    return None


def _in_range(port: int, text: str) -> bool:
    low, _colon, high = text.partition(":")
    return int(low or 0) <= port <= int(high or (65535 if _colon else low))
