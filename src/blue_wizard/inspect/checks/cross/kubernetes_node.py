"""Nodes of Kubernetes against the servers of Nova that they are."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.compute import Servers
from blue_wizard.facts.kubernetes import Clusters
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["kubernetes_node"]


@check(
    "cross.kubernetes-node",
    N_("Kubernetes node has no server"),
    severity=Severity.WARNING,
    remedy=N_("When the server was deleted: kubectl delete node {node}; else start it."),
    reread=True,
)
def kubernetes_node(clusters: Clusters, servers: Servers) -> Iterable[Finding]:
    """Nodes that run elsewhere have no server here, and are left out."""
    for c in clusters.rows:
        for n in c.nodes:
            s = servers.by_id.get(n.server)
            if n.server and (s is None or (n.ready and s.settled and s.status in {"SHUTOFF", "ERROR"})):
                state = s.status if s else "DELETED"
                yield found(
                    f"{c.name}/{n.name}",
                    N_("Node {node} of cluster {cluster} should be server {server}, which is {state}."),
                    evidence=[f"kubectl get nodes: {n.name} providerID {n.server}", f"GET /servers/detail: {state}"],
                    node=n.name,
                    cluster=c.name,
                    server=n.server,
                    state=state,
                )
