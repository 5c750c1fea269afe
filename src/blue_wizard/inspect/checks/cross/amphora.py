"""Octavia's amphorae against Nova's servers and Neutron's ports."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.addons import Balancers
from blue_wizard.facts.compute import Servers
from blue_wizard.facts.network import Ports
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["amphora"]


@check(
    "cross.amphora",
    N_("Load balancer and its machines do not fit together"),
    severity=Severity.WARNING,
    remedy=N_(
        "Let Octavia build it anew: openstack loadbalancer failover {balancer}; a server that is nobody's is deleted."
    ),
    reread=True,
)
def amphora(balancers: Balancers, servers: Servers, ports: Ports) -> Iterable[Finding]:
    """Those that Octavia is just building or deleting are left out."""
    for a in balancers.amphorae:
        if a.server and a.status == "ALLOCATED" and a.server not in servers.by_id:
            yield found(
                a.id,
                N_("Amphora {id} of load balancer {balancer} should be server {server}, which is gone."),
                evidence=[f"GET /octavia/amphorae: compute_id {a.server}", "GET /servers/detail: not there"],
                id=a.id,
                balancer=a.balancer or "-",
                server=a.server,
            )
    for b in balancers.rows:
        if b.status == "ACTIVE" and b.port and b.port not in ports.by_id:
            yield found(
                b.id,
                N_("The port {port} of load balancer {balancer} is gone."),
                evidence=[f"GET /lbaas/loadbalancers: vip_port_id {b.port}", "GET /ports: not there"],
                balancer=b.label,
                port=b.port,
            )
