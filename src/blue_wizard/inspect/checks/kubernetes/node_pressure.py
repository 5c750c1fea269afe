"""Nodes that throw pods out, or soon will."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.kubernetes import Clusters
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["node_pressure"]


@check(
    "kubernetes.node-pressure",
    N_("Kubernetes node runs short"),
    severity=Severity.WARNING,
    remedy=N_("See what fills it: kubectl describe node {node}; then move pods away (kubectl drain), or give it more."),
)
def node_pressure(clusters: Clusters) -> Iterable[Finding]:
    """All conditions but Ready are bad ones when they are true."""
    for c in clusters.rows:
        for n in c.nodes:
            if n.conditions:
                yield found(
                    f"{c.name}/{n.name}",
                    N_("Node {node} of cluster {cluster} tells of {conditions}."),
                    evidence=[f"kubectl get nodes: {n.name} {', '.join(n.conditions)}"],
                    node=n.name,
                    cluster=c.name,
                    conditions=", ".join(n.conditions),
                )
