"""What a diagnosis says: hops, causes, findings, the verdict on each port. Plain data; `report/` writes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Cause", "Direction", "Finding", "Hop", "PortReport", "Report", "SeenBy", "State", "Verdict"]


class Verdict(StrEnum):
    """`UNKNOWN`: could not look. It is never said to be `LOST`."""

    OK = "ok"
    LOST = "lost"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"


class Direction(StrEnum):
    """The request goes from the server to the DHCP server, the reply back."""

    REQUEST = "request"
    REPLY = "reply"


class State(StrEnum):
    """Whether a packet is there at a hop."""

    SEEN = "seen"
    MISSING = "missing"
    UNKNOWN = "unknown"


class SeenBy(StrEnum):
    """What the state of a hop is known from."""

    CAPTURE = "capture"
    COUNTER = "counter"
    TRACE = "trace"
    STATE = "state"


@dataclass(frozen=True)
class Cause:
    """Why the packet is lost.

    `hop` is where the broken thing is, `lost_at` the first hop that no longer has the packet ("" where it is `hop`); `object` names
    the thing (a device, a port, a flow table); `evidence` are lines as the host or the API gave them.
    """

    code: str
    hop: str
    host: str
    object: str
    message: str
    remedy: str
    evidence: tuple[str, ...] = ()
    direction: Direction = Direction.REQUEST
    lost_at: str = ""
    unknown: bool = False
    """True when it says only why nothing can be said."""

    @property
    def missing_from(self) -> str:
        """The first hop without the packet."""
        return self.lost_at or self.hop


@dataclass(frozen=True)
class Finding:
    """It works, but is insecure, or about to fail."""

    code: str
    host: str
    object: str
    message: str
    remedy: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hop:
    """One hop of the path: what should be there, what is, and whether request and reply come through."""

    name: str
    host: str
    device: str
    expected: str
    actual: str
    request: State
    reply: State
    seen_by: SeenBy
    note: str = ""


@dataclass(frozen=True)
class PortReport:
    """The verdict on one port. `lost_between` are the last hop that had the packet and the first that had not."""

    port: str
    mac: str
    address: str
    network: str
    host: str
    firewall_driver: str
    network_type: str
    dhcp_host: str
    verdict: Verdict
    lost_between: tuple[str, str] | None = None
    direction: Direction | None = None
    cause: Cause | None = None
    other_causes: tuple[Cause, ...] = ()
    findings: tuple[Finding, ...] = ()
    hops: tuple[Hop, ...] = ()
    to: str = ""
    """What the server wants to reach; "" for DHCP."""


@dataclass(frozen=True)
class Report:
    """The diagnosis of a server. `errors` is what could not be asked, in one sentence each."""

    server: str
    name: str
    status: str
    ports: tuple[PortReport, ...] = ()
    took_s: float = 0.0
    errors: tuple[str, ...] = field(default=())

    @property
    def healthy(self) -> bool:
        """True when every port's verdict is ok."""
        return bool(self.ports) and all(p.verdict is Verdict.OK for p in self.ports)
