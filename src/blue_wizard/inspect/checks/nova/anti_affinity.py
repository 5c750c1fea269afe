"""Server groups whose members share a host although they must not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from blue_wizard.facts.compute import ServerGroups, Servers
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["anti_affinity"]


@check(
    "nova.anti-affinity",
    N_("Anti-affinity is violated"),
    severity=Severity.WARNING,
    remedy=N_("Live-migrate one of them: openstack server migrate --live-migration {server}"),
)
def anti_affinity(groups: ServerGroups, servers: Servers) -> Iterable[Finding]:
    """Only the hard policy; the soft one is a wish. A forced host and an evacuation go past the scheduler's filter."""
    for g in groups.rows:
        if "anti-affinity" not in g.policies:
            continue
        members = [servers.by_id[m] for m in g.members if m in servers.by_id and servers.by_id[m].host]
        for host, count in Counter(s.host for s in members).items():
            if count > 1:
                here = [s for s in members if s.host == host]
                yield found(
                    f"{g.id}@{host}",
                    N_(
                        "{count} servers of the anti-affinity group {group} are on {where}: one failure takes them all."
                    ),
                    host=host,
                    evidence=[s.label for s in here],
                    group=g.name,
                    count=count,
                    where=host,
                    server=here[0].id,
                )
