"""Pods that nobody takes."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.kubernetes import Clusters
from blue_wizard.inspect.model import Finding, Now, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["pod_pending"]

_STUCK_S = 900


@check(
    "kubernetes.pod-pending",
    N_("Pod finds no node"),
    severity=Severity.WARNING,
    remedy=N_("Read why: kubectl -n NAMESPACE describe pod ({pod}); add nodes, or ask for less."),
    profile=Profile.DAILY,
)
def pod_pending(clusters: Clusters, now: Now) -> Iterable[Finding]:
    """Those whose containers fail are another check's."""
    for c in clusters.rows:
        for p in c.pods:
            age = now.at - p.created
            if p.phase == "Pending" and not p.trouble and p.created and age > _STUCK_S:
                yield found(
                    f"{c.name}/{p.name}",
                    N_("Pod {pod} of cluster {cluster} has been pending for {minutes} min: {why}"),
                    evidence=[f"kubectl get pods: {p.name} Pending, created {age:.0f} s ago"],
                    pod=p.name,
                    cluster=c.name,
                    minutes=round(age / 60),
                    why=p.why or "-",
                )
