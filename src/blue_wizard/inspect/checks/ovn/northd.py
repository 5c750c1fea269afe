"""The program that turns Neutron's wishes into flows."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.inspect.facts import Everywhere
from blue_wizard.inspect.fetch.switches import OvnRaft
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["northd"]


@check(
    "ovn.northd",
    N_("Not exactly one ovn-northd is active"),
    severity=Severity.CRITICAL,
    remedy=N_("Restart those that hang; with two active ones look at their connection to the southbound database."),
    under=("ovn.raft",),
    reread=True,
)
def northd(hosts: Everywhere[OvnRaft]) -> Iterable[Finding]:
    """Only where all hosts could be asked that may have it: one of those that are missing may be the active one."""
    states = {host: known.northd for host, known in sorted(hosts.at.items()) if known.northd}
    active = [host for host, state in states.items() if state == "active"]
    if states and (len(active) > 1 or (not active and not hosts.missing)):
        yield found(
            "ovn-northd",
            N_("{count} of {total} ovn-northd are active."),
            evidence=[f"{host}: {state}" for host, state in states.items()],
            count=len(active),
            total=len(states),
        )
