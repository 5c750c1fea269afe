"""A switch that nobody can talk to."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.inspect.fetch.switches import SwitchAnswer
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["silent"]


@check(
    "ovs.silent",
    N_("Open vSwitch does not answer"),
    severity=Severity.CRITICAL,
    remedy=N_(
        "Packets of flows that are known go on. Restart what is silent (openvswitch-switch, or its "
        "containers), the database first."
    ),
    under=("host.unreachable",),
)
def silent(switch: SwitchAnswer) -> Iterable[Finding]:
    """On hosts that have one, or an agent that drives it."""
    lost = [name for name, well in (("ovsdb-server", switch.database), ("ovs-vswitchd", switch.daemon)) if not well]
    if lost:
        yield found(
            "switch",
            N_("Open vSwitch does not answer ({what}): {error}"),
            evidence=[f"ovs-vsctl list-br; ovs-appctl version: {switch.error or '-'}"],
            what=", ".join(lost),
            error=switch.error or "-",
        )
