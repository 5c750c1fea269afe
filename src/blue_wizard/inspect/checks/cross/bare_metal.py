"""A machine of Ironic's that belongs to no server."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.addons import BareMetal
from blue_wizard.facts.compute import Servers
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["bare_metal"]


@check(
    "cross.bare-metal",
    N_("Ironic and Nova disagree on a machine"),
    severity=Severity.WARNING,
    remedy=N_("Make sure that nobody uses the machine, then: openstack baremetal node undeploy {node}"),
    reread=True,
)
def bare_metal(nodes: BareMetal, servers: Servers) -> Iterable[Finding]:
    """Machines that Ironic is just deploying or cleaning are left out."""
    for n in nodes.rows:
        if n.state != "active" or n.server in servers.by_id:
            continue
        yield found(
            n.id,
            N_("Machine {node} belongs to server {server}, which is gone.")
            if n.server
            else N_("Machine {node} is active, and belongs to no server."),
            evidence=[f"GET /nodes/detail: {n.id} {n.state}, instance_uuid {n.server or 'none'}"],
            node=n.label,
            server=n.server,
        )
