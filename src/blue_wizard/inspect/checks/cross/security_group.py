"""A port or a rule speaks of a security group that there is not."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.network import Ports, SecurityGroups
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["security_group"]


@check(
    "cross.security-group",
    N_("Security group that is gone is still named"),
    severity=Severity.WARNING,
    remedy=N_(
        "Give the port or the rule a group that there is: openstack port set --security-group; openstack "
        "security group rule delete."
    ),
    profile=Profile.DAILY,
    reread=True,
)
def security_group(groups: SecurityGroups, ports: Ports) -> Iterable[Finding]:
    """Of ports, and of rules that name a remote group. Not asked where no group is listed at all."""
    known = {g.id for g in groups.rows}
    if not known:
        return
    for p in ports.rows:
        for group in p.groups:
            if group not in known:
                yield found(
                    f"{p.id}:{group}",
                    N_("Port {id} has security group {group}, which is gone."),
                    host=p.host,
                    evidence=[f"GET /ports: security_groups {', '.join(p.groups)}"],
                    id=p.id,
                    group=group,
                )
    for g in groups.rows:
        for group in g.remotes:
            if group not in known:
                yield found(
                    f"{g.id}:{group}",
                    N_("A rule of security group {id} names group {group}, which is gone."),
                    evidence=[f"GET /security-groups: {g.name}: remote_group_id {group}"],
                    id=g.id,
                    group=group,
                )
