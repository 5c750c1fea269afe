"""What `ping` measured: sent, lost, and the longest time without an answer. Pure parser of iputils' output."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

__all__ = ["Pings", "command", "joined", "parse"]

_SENT = re.compile(r"^(\d+) packets transmitted, (\d+) received", re.M)
_REPLY = re.compile(r"^\[(\d+\.\d+)\] \d+ bytes from ", re.M)


@dataclass(frozen=True)
class Pings:
    """`replies` are the moments of the answers (Unix seconds of the host that asked)."""

    sent: int
    lost: int
    replies: tuple[float, ...] = ()

    @property
    def silence_s(self) -> float:
        """The longest time between two answers (seconds)."""
        return max((b - a for a, b in itertools.pairwise(self.replies)), default=0.0)


def command(namespace: str, address: str, *, count: int, every_s: float = 0.2) -> list[str]:
    """The command that asks an address from inside a network namespace."""
    ping = ["ping", "-n", "-D", "-c", str(count), "-i", str(every_s), "-W", "1", address]
    return ["ip", "netns", "exec", namespace, *ping]


def parse(text: str) -> Pings | None:
    """The output of `command`; None when it is not that of a ping that ran."""
    found = _SENT.search(text)
    if not found:
        return None
    sent, received = int(found[1]), int(found[2])
    return Pings(sent, sent - received, tuple(float(t) for t in _REPLY.findall(text)))


def joined(first: Pings, second: Pings) -> Pings:
    """Two rounds, one after the other. Of answers only the ends of the longest silence and the last one are kept."""
    replies = first.replies + second.replies
    if len(replies) > 3:
        at = max(range(len(replies) - 1), key=lambda i: replies[i + 1] - replies[i])
        replies = tuple(dict.fromkeys((replies[at], replies[at + 1], replies[-1])))
    return Pings(first.sent + second.sent, first.lost + second.lost, replies)
