"""Budgets that hold up every drain."""

from __future__ import annotations

from collections.abc import Iterable

from blue_wizard.facts.kubernetes import Clusters
from blue_wizard.inspect.model import Finding, Profile, Severity, check, found
from blue_wizard.text import N_

__all__ = ["budget"]


@check(
    "kubernetes.budget",
    N_("No pod may be moved away"),
    severity=Severity.INFO,
    remedy=N_("Run one more pod than {budget} wants, or loosen it, before nodes are drained."),
    profile=Profile.BEFORE_UPGRADE,
)
def budget(clusters: Clusters) -> Iterable[Finding]:
    """Those without pods hold up nothing."""
    for c in clusters.rows:
        for b in c.budgets:
            if b.expected and not b.allowed:
                yield found(
                    f"{c.name}/{b.name}",
                    N_("Budget {budget} of cluster {cluster} allows no disruption."),
                    evidence=[f"kubectl get poddisruptionbudgets: {b.name} disruptionsAllowed 0 of {b.expected}"],
                    budget=b.name,
                    cluster=c.name,
                )
