"""Rows of hosts in OVN's southbound database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blue_wizard.inspect.fetch.switches import OvnSouth
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["chassis"]

_LAG = 20


@check(
    "ovn.chassis",
    N_("Chassis of OVN is stale, or there twice"),
    severity=Severity.WARNING,
    remedy=N_("Make sure that the host is gone or has another one, then: ovn-sbctl chassis-del {chassis}"),
    profile=Profile.DAILY,
    under=("ovn.raft",),
    reread=True,
)
def chassis(south: OvnSouth) -> Iterable[Finding]:
    """As the leader of the southbound database has it."""
    counts = Counter(c.host for c in south.chassis)
    for c in south.chassis:
        if counts[c.host] > 1:
            yield found(
                c.name,
                N_("Host {where} has {count} chassis."),
                host=c.host,
                evidence=[f"ovn-sbctl list Chassis: {o.name} {o.host}" for o in south.chassis if o.host == c.host],
                chassis=c.name,
                where=c.host,
                count=counts[c.host],
            )
        elif c.lag >= _LAG:
            yield found(
                c.name,
                N_("{where} has not carried out the last {lag} changes."),
                host=c.host,
                evidence=[f"ovn-sbctl list Chassis_Private: nb_cfg {c.lag} behind"],
                chassis=c.name,
                where=c.host,
                lag=c.lag,
            )
