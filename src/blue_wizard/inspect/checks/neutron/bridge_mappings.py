"""Agents whose bridges for physical networks differ from those of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blue_wizard.facts.network import Agents
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["bridge_mappings"]


@check(
    "neutron.bridge-mappings",
    N_("Bridge mappings differ from those of the other hosts"),
    severity=Severity.WARNING,
    remedy=N_(
        "Compare bridge_mappings in the agent's configuration on {where} with another host, correct it, restart the agent."
    ),
    profile=Profile.DAILY,
)
def bridge_mappings(agents: Agents) -> Iterable[Finding]:
    """A physical network that most hosts (two thirds, of three at least) have and this one lacks: ports of it can't be
    bound here."""
    rows = [a for a in agents.rows if a.kind == "Open vSwitch agent" and a.alive]
    counts = Counter(name for a in rows for name in a.mappings)
    for a in rows:
        lacking = sorted(
            name
            for name, count in counts.items()
            if name not in a.mappings and count * 3 >= len(rows) * 2 and count > 1
        )
        if lacking:
            yield found(
                f"mappings {a.host}",
                N_("{where} has no bridge for {networks}, which most hosts have."),
                host=a.host,
                evidence=[f"{o.host}: {dict(o.mappings)}" for o in rows][:10],
                where=a.host,
                networks=", ".join(lacking),
            )
