"""Deployments, StatefulSets and DaemonSets that are not whole."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.kubernetes import Clusters
from blue_wizard.inspect.model import Finding, Severity, check, found
from blue_wizard.text import N_

__all__ = ["replicas"]


@check(
    "kubernetes.replicas",
    N_("Workload has too few pods"),
    severity=Severity.WARNING,
    remedy=N_("See which are missing: kubectl -n NAMESPACE describe {kind} ({workload}), and its pods."),
    reread=True,
)
def replicas(clusters: Clusters) -> Iterable[Finding]:
    """A rollout passes through this state; so both readings must show it."""
    for c in clusters.rows:
        for w in c.workloads:
            if w.ready < w.wanted:
                yield found(
                    f"{c.name}/{w.kind}/{w.name}",
                    N_("{kind} {workload} of cluster {cluster} has {ready} of {wanted} pods."),
                    evidence=[f"kubectl get {w.kind.lower()}s: {w.name} {w.ready}/{w.wanted}"],
                    severity=Severity.CRITICAL if not w.ready else None,
                    kind=w.kind,
                    workload=w.name,
                    cluster=c.name,
                    ready=w.ready,
                    wanted=w.wanted,
                )
