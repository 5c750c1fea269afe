"""Namespaces that hang at their end."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.kubernetes import Clusters
from blue_wizard.inspect.model import Finding, Now, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["namespace_ending"]

_STUCK_S = 3600


@check(
    "kubernetes.namespace-ending",
    N_("Namespace does not get deleted"),
    severity=Severity.WARNING,
    remedy=N_(
        "See what is left in it: kubectl get namespace {namespace} -o yaml (its conditions name it); a "
        "controller that is gone leaves finalizers."
    ),
    profile=Profile.DAILY,
)
def namespace_ending(clusters: Clusters, now: Now) -> Iterable[Finding]:
    """Since its deletion was asked for."""
    for c in clusters.rows:
        for n in c.namespaces:
            age = now.at - n.ending
            if n.ending and age > _STUCK_S:
                yield found(
                    f"{c.name}/{n.name}",
                    N_("Namespace {namespace} of cluster {cluster} has been ending for {hours} h."),
                    evidence=[f"kubectl get namespaces: {n.name} deleted {age:.0f} s ago"],
                    namespace=n.name,
                    cluster=c.name,
                    hours=f"{age / 3600:.1f}",
                )
