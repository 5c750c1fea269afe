"""Counters before and after a test packet that was lost: which drop took something meanwhile. Pure.

"Before" is what the hosts said first, "after" is asked again once the packet is known to be lost (`packet.py`). Other traffic
counts too, so that a drop whose counter rose is evidence for a cause, and none by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from blue_wizard.diagnose.bundle import HostAnswer
from blue_wizard.diagnose.case import Case
from blue_wizard.diagnose.view import HostView

__all__ = ["Rise", "evidence", "rises"]

_MOST = 4
_DROPPED = "tx_dropped", "rx_dropped"


@dataclass(frozen=True)
class Rise:
    """A drop that took `by` packets meanwhile: a flow of a bridge, a rule of iptables, or a device."""

    host: str
    thing: str
    by: int

    def text(self) -> str:
        """One line for people."""
        return f"+{self.by} packets: {self.thing}"


def rises(case: Case) -> tuple[Rise, ...]:
    """All of a case's hosts, the most packets first."""
    found: Any = case.captures.get(case.path.id)
    after: dict[str, Any] = found.get("counters", {}) if isinstance(found, dict) else {}
    made: list[Rise] = []
    for side in dict.fromkeys(case.sides):
        if side.host.name in after:
            made += _risen(side.host, HostView(side.host.name, HostAnswer(after[side.host.name])))
    return tuple(sorted(made, key=lambda r: -r.by))


def _risen(before: HostView, after: HostView) -> Iterator[Rise]:
    for kind in (_flows, _rules, _links):
        old = dict(kind(before))
        for thing, count in kind(after):
            # What was not there before was made meanwhile: its whole count is new, and may be anything.
            if thing in old and count > old[thing]:
                yield Rise(before.name, thing, count - old[thing])


def _flows(host: HostView) -> Iterator[tuple[str, int]]:
    for bridge in host.bridges:
        for flow in host.flows(bridge) or ():
            if flow.drops:
                yield f"{bridge} {flow.text()}", flow.packets


def _rules(host: HostView) -> Iterator[tuple[str, int]]:
    for name, chains in (host.tables or {}).items():
        for chain in chains.values():
            if chain.policy == "DROP":
                yield f"iptables -t {name}: {chain.name} DROP", chain.packets
            for rule in chain.rules:
                if rule.target in {"DROP", "REJECT"}:
                    yield f"iptables -t {name}: {rule.text}", rule.packets


def _links(host: HostView) -> Iterator[tuple[str, int]]:
    for link in host.links.values():
        for what in _DROPPED:
            yield f"{link.name} {what}", int(getattr(link, what))


def evidence(case: Case, host: str) -> tuple[str, ...]:
    """What rose on a host, as lines of evidence."""
    return tuple(r.text() for r in rises(case) if r.host == host)[:_MOST]
