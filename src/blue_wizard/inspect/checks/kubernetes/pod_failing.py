"""Pods whose containers fail again and again."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.kubernetes import Clusters
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["pod_failing"]


@check(
    "kubernetes.pod-failing",
    N_("Container does not start"),
    severity=Severity.WARNING,
    remedy=N_("Read why: kubectl -n NAMESPACE describe pod; kubectl logs --previous ({pod})."),
    reread=True,
)
def pod_failing(clusters: Clusters) -> Iterable[Finding]:
    """By the reasons for which its containers wait."""
    for c in clusters.rows:
        for p in c.pods:
            if p.trouble:
                yield found(
                    f"{c.name}/{p.name}",
                    N_("Pod {pod} of cluster {cluster} does not start: {reasons}"),
                    evidence=[f"kubectl get pods: {p.name} on {p.node or 'no node'}: {', '.join(p.trouble)}"],
                    pod=p.name,
                    cluster=c.name,
                    reasons=", ".join(p.trouble),
                )
