"""Networks that share a segment by mistake."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.network import Network, Networks
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["segment_twice"]


@check(
    "cross.segment-twice",
    N_("Two networks have one segment"),
    severity=Severity.WARNING,
    remedy=N_(
        "Move the ports of one of them to a network of its own: both see each other's frames, and each other's DHCP."
    ),
)
def segment_twice(networks: Networks) -> Iterable[Finding]:
    """The same type, physical network and segment: VLANs by their physical network, tunnels by their number."""
    by_segment: dict[tuple[str, str, int], list[Network]] = {}
    for n in networks.rows:
        if n.segment is not None:
            by_segment.setdefault((n.kind, n.physical, n.segment), []).append(n)
    for (kind, physical, segment), rows in sorted(by_segment.items()):
        if len(rows) > 1:
            yield found(
                f"{kind} {physical} {segment}".replace("  ", " "),
                N_("{kind} segment {segment} is that of {count} networks: {networks}"),
                evidence=[f"{n.id} {n.name} {kind} {physical} {segment}" for n in rows],
                kind=kind,
                segment=segment,
                count=len(rows),
                networks=", ".join(n.label for n in rows),
            )
