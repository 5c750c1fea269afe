"""Nodes that take no pods and may lose those that they have."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.kubernetes import Clusters
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["node_not_ready"]


@check(
    "kubernetes.node-not-ready",
    N_("Kubernetes node is not ready"),
    severity=Severity.WARNING,
    remedy=N_(
        "Look at its kubelet and container runtime (kubectl describe node {node}), and at the server it runs on."
    ),
)
def node_not_ready(clusters: Clusters) -> Iterable[Finding]:
    """An unknown state counts: the node has not reported for long."""
    for c in clusters.rows:
        lost = [n for n in c.nodes if not n.ready]
        for n in lost:
            yield found(
                f"{c.name}/{n.name}",
                N_("Node {node} of cluster {cluster} is not ready."),
                evidence=[f"kubectl get nodes: {n.name} Ready is not True"],
                severity=Severity.CRITICAL if len(lost) * 2 >= len(c.nodes) else None,
                node=n.name,
                cluster=c.name,
            )
