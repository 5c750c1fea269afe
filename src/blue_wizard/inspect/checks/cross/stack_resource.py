"""Heat's stacks against what they made."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.addons import StackResources
from blue_wizard.facts.compute import Servers
from blue_wizard.facts.network import Ports
from blue_wizard.facts.volume import Volumes
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["stack_resource"]


@check(
    "cross.stack-resource",
    N_("Stack has a resource that is gone"),
    severity=Severity.WARNING,
    remedy=N_(
        "Let Heat look itself: openstack stack check {stack}; the next update of the stack makes {resource} anew."
    ),
    profile=Profile.WEEKLY,
    reread=True,
)
def stack_resource(resources: StackResources, servers: Servers, volumes: Volumes, ports: Ports) -> Iterable[Finding]:
    """By the id of what it stands for. Resources of other kinds are not looked at."""
    known = {
        "OS::Nova::Server": set(servers.by_id),
        "OS::Cinder::Volume": set(volumes.by_id),
        "OS::Neutron::Port": set(ports.by_id),
    }
    for r in resources.rows:
        if r.kind in known and r.physical and r.status.endswith("_COMPLETE") and r.physical not in known[r.kind]:
            yield found(
                f"{r.stack}:{r.name}",
                N_("Resource {resource} of stack {stack} should be {id}, which is gone."),
                evidence=[f"GET /stacks/{r.stack}/ID/resources: {r.kind} {r.physical} {r.status}"],
                resource=r.name,
                stack=r.stack,
                id=r.physical,
            )
